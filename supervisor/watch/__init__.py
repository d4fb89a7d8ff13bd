"""Watching of the project's files for changes. Loaded in development only.

On Linux inotify is read directly: it costs nothing at rest and reports a change in 1.35 ms, where watchfiles would need
195 wake-ups a second to be that fast (`docs/watching.md`). watchfiles is used where there is no inotify (macOS,
Windows), by its private module, so its version is held below 2. Where no events arrive, files are polled.

- rules: decide which files count, by patterns, `.gitignore`, and what was learned.
- hint: a report of the system that an entry of a folder should be checked; a source gives them.
- fingerprint: the state of a file, to tell a change from a save that changes nothing.
- survey: a walk of all watched paths, after lost hints or for polling.
- burst: changes close together, which cause one restart.
- storm: a restart loop, caused by a bot that writes watched files when it starts.

May import `system` and `config`.
"""
