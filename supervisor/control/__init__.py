"""The local API: HTTP/1.1 over an owner-only Unix socket, its server, its client, its description.

One line per file, from the socket up: `address.py` finds and binds the socket, `wire.py` speaks bounded HTTP on one
connection, `server.py` accepts connections, `models.py` and `operations.py` say what there is to ask for, `api.py`
answers, `serving.py` keeps it all up beside a supervisor. On the other side `client.py` asks, and `openapi.py` writes
`docs/openapi.json` from the models.

Nothing here decides: a request becomes the same call that a key or a changed file would make. No command and no path
is ever taken from a request.
"""
