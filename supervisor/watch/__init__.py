"""Which files have changed. Loaded in development only.

- rules: which files count, by pattern, by `.gitignore`, by what is learnt.
- source: what reports that something has changed: inotify, or watchfiles.
- burst: changes close together, reported as one.
- fingerprint: a file's content, to tell a change from a save that changed nothing.
- restart loop: a bot that restarts itself by writing what is watched.

May import `log`, `system`, `config`.
"""
