"""The sources of requests while a supervisor runs: changed files, keys, a schedule.

- trigger: an object that watches one source and makes requests.
- burst: the changes that belong to one save, reported together.
- schedule: the times of planned restarts, given in `[restart]`.

A trigger posts to the `Inbox` or calls a protocol of `supervise.requests`, and holds no supervisor. May import
`supervise.inbox`, `requests`, `state_machine` and `status_text`, and what is below `supervise`.
"""
