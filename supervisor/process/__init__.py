"""Processes: spawning, suspending, terminating and reaping them, and their streams.

- leader: the one process of a bot that the supervisor starts itself (`child.py`).
- handle: one process, safe against reuse of its pid. What differs between operating systems is behind `Handle`.
- entry: one process as it was when the process table was read (`table.py`), with its handle.
- suspension: processes that are stopped (SIGSTOP) and will be resumed (`suspend.py`).
- guard: a helper that resumes them should this process be killed first (`suspend.py`, `resume_helper.py`).
- urgency: how long processes are given to exit before they are killed (`terminate.py`).
- helper: a program that the supervisor runs for itself (`helper.py`).

Knows nothing of browsers and sessions. Imports `system` only.
"""
