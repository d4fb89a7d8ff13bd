"""The local API: HTTP/1.1 on an owner-only Unix socket (on Windows a loopback port and a token).

- operation: a path and method, with the models of its query, body and answer; all are listed in `routes`.
- transport: the socket, how it is bound, found and recognized as stale.
- client: blocking requests to a running supervisor; loads neither asyncio nor pydantic.
- event stream: what requests follow or wait for of the supervisor's events.

A request becomes the same call that a key or a changed file makes. No command and no path is taken from a request.
May import `supervise` and what is below it.
"""
