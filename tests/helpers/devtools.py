"""The fake browser's DevTools port: as much of WebSocket (RFC 6455) and of the protocol as a supervisor asks for."""

# pathlib takes longer to import than all the rest:
# ruff: noqa: PTH110, PTH123

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from tests.helpers import journal

URL = "https://web.whatsapp.com/"


class DevToolsPort:
    """Listens on a port of its own and names it in the profile, as Chromium does, or on the `port` that it was told."""

    def __init__(self, profile: str, *, deaf: bool, port: int = 0) -> None:
        self._profile = profile
        self._deaf = deaf
        self._listener = socket.create_server(("127.0.0.1", port))
        self._clients: dict[socket.socket, bytearray] = {}
        self._path = f"/devtools/browser/00000000-0000-4000-8000-{os.getpid():012x}"
        if not port:
            with open(f"{profile}/DevToolsActivePort", "w") as file:
                file.write(f"{self._listener.getsockname()[1]}\n{self._path}")

    @property
    def sockets(self) -> list[socket.socket]:
        """What to wait for."""
        return [self._listener, *self._clients]

    def take(self, ready: socket.socket) -> bool:
        """Handle what has come; True if the browser is to close."""
        if ready is self._listener:
            self._clients[ready.accept()[0]] = bytearray()
            return False
        try:
            return self._hear(ready)
        except ConnectionError:  # whoever was killed in the midst of a question waits for no answer
            self._hang_up(ready)
            return False

    def _hang_up(self, client: socket.socket) -> None:
        del self._clients[client]
        client.close()

    def _hear(self, ready: socket.socket) -> bool:
        data = ready.recv(65536)
        if not data:
            self._hang_up(ready)
            return False
        buffer = self._clients[ready]
        buffer += data
        if buffer.startswith(b"GET "):
            self._shake_hands(ready, buffer)
        if ready not in self._clients:
            return False
        closing = [self._answer(ready, json.loads(message)) for message in frames(ready, buffer)]
        return any(closing)

    def _shake_hands(self, client: socket.socket, buffer: bytearray) -> None:
        head, end, rest = bytes(buffer).partition(b"\r\n\r\n")
        if not end:
            return
        if head.startswith(b"GET /json/version "):
            body = json.dumps({"webSocketDebuggerUrl": f"ws://{client.getsockname()[0]}{self._path}"}).encode()
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self._hang_up(client)
            return
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        key = next(value for name, value in headers.items() if name.lower() == b"sec-websocket-key")
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        client.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        buffer[:] = rest

    def _answer(self, client: socket.socket, call: dict[str, Any]) -> bool:
        method = str(call["method"])
        closing = method == "Browser.close"
        if closing and self._deaf:
            return False
        result: dict[str, object] = {}
        if method == "Browser.getVersion":
            result = {"product": "Chrome/156.0.0.0"}
        elif method == "Target.attachToTarget":
            result = {"sessionId": "page-session"}
        elif method == "Runtime.evaluate" and self._page()["state"] == "CRASHED":
            send(client, {"method": "Target.targetCrashed", "params": {"targetId": "page", "status": "killed"}})
            return False
        elif method == "Runtime.evaluate" and self._page()["state"] == "BUSY":
            error = {"code": -32000, "message": "Execution was terminated"}
            send(client, {"id": call["id"], "error": error})
            journal.note("browser", "unsettled")
            return False
        elif method == "Runtime.evaluate":
            if self._page()["state"] == "OPENING":
                journal.note("browser", "unsettled")
            loaded = {"loaded": self._page()["state"] == "CONNECTED"}
            known = "readyState" not in str(call["params"]["expression"])
            result = {"result": {"value": [self._url(), self._page() if known else loaded]}}
        send(client, {"id": call["id"], "result": result})
        if method == "Target.setDiscoverTargets":
            info = {"targetId": "page", "type": "page", "url": self._url()}
            send(client, {"method": "Target.targetCreated", "params": {"targetInfo": info}})
        return closing

    def _url(self) -> str:
        path = f"{self._profile}/url"
        if not os.path.exists(path):
            return URL
        with open(path) as file:
            return file.read()

    def _page(self) -> dict[str, object]:
        """A reading of the preset `whatsapp`."""
        path = f"{self._profile}/page"
        state = "CONNECTED"
        if os.path.exists(path):
            with open(path) as file:
                state = file.read().strip()
        reading: dict[str, object] = {"url": URL, "version": "1", "state": state, "synced": True}
        if os.path.exists(f"{self._profile}/qr"):
            with open(f"{self._profile}/qr") as file:
                reading["qr"] = file.read()
        return reading


def frames(client: socket.socket, buffer: bytearray) -> Iterator[bytes]:
    """Take whole text frames off the buffer; a farewell is answered."""
    while len(buffer) >= 6 and not buffer.startswith(b"GET "):
        opcode, length, at = buffer[0] & 15, buffer[1] & 127, 2
        if length == 126:
            length, at = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + 4 + length:
            return
        mask, payload = buffer[at : at + 4], buffer[at + 4 : at + 4 + length]
        del buffer[: at + 4 + length]
        text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if opcode == 1:
            yield text
        elif opcode == 8:
            client.sendall(b"\x88" + bytes([len(text)]) + text)


def send(client: socket.socket, message: dict[str, object]) -> None:
    """Send one text frame."""
    data = json.dumps(message).encode()
    head = bytes([0x81, len(data)]) if len(data) < 126 else b"\x81\x7e" + len(data).to_bytes(2, "big")
    try:
        client.sendall(head + data)
    except OSError:  # the client has hung up
        return
