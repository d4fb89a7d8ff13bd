"""The decision whether changed files are worth a restart: syntax checks, before the bot is stopped.

- check: one program, or function, that accepts or refuses a changed file.
- refusal: what a check found, with the place in the file.

Pure of the supervisor. Imports nothing of ours but `system`.
"""
