"""HTTP/1.1 on h11, bounded in every dimension: one server, one client side.

- connection: one socket, requests read and responses written one after the other.
- exchange: the client's side of one request and its response, without I/O.
- limits: the largest header, body and time that a peer may use.
- peer: the process at the other end of a Unix socket.

May import `log`, `process`, `system`, `config`.
"""
