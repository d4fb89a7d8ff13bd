"""The checks that decide whether changed files are worth a restart, before the bot is stopped.

- check: one program, or function, that passes or fails a changed file.
- failure: a fault that a check found, with the file and the line.
- doubt: a sentence on a check without a result; the file counts as passed.
- burst: changes that belong together, and get one result.

Starts no process itself: a function that runs programs is given to `Preflight`. Imports only `system`.
"""
