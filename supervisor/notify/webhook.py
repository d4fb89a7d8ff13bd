"""Webhooks, which get each message as JSON."""

import asyncio
import json
import ssl
import time
from typing import Final

import h11

from supervisor.http1.fetch import fetch_status
from supervisor.notify import signature
from supervisor.notify.message import Message
from supervisor.notify.target import DeliveryError
from supervisor.system.qr import render_png

#: Client error statuses after which a later attempt may succeed: timeout, too early, too many requests.
_PASSING: Final = frozenset({408, 425, 429})


class Webhook:
    """One webhook; `key` signs its messages, `timeout` is in seconds."""

    def __init__(self, name: str, url: str, key: bytes | None, timeout: float) -> None:
        self.name = name
        self._url = url
        self._key = key
        self._timeout = timeout

    async def deliver(self, message: Message) -> None:
        """Deliver a message. Raises `DeliveryError`."""
        body = await asyncio.to_thread(_body, message)
        headers = {"Content-Type": "application/json"} | signature.headers(self._key, message.id, time.time(), body)
        try:
            status = await fetch_status("POST", self._url, timeout=self._timeout, headers=headers, body=body)
        except TimeoutError:
            raise DeliveryError(f"it gave no answer in {self._timeout:g} s", final=False) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryError(f"its certificate is not trusted: {error.verify_message}", final=False) from None
        except (OSError, UnicodeError) as error:
            raise DeliveryError(f"it cannot be reached: {_why(error)}", final=False) from None
        except h11.RemoteProtocolError:
            raise DeliveryError("its answer is not HTTP, or ended too early", final=False) from None
        _judge(status)


def _body(message: Message) -> bytes:
    return json.dumps(message.document(None if message.qr is None else render_png(message.qr))).encode()


def _judge(status: int) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryError(f"it answered with a redirect ({status}); set the URL that it leads to", final=True)
    raise DeliveryError(f"it answered with status {status}", final=status < 500 and status not in _PASSING)


def _why(error: Exception) -> str:
    # The message that asyncio adds repeats the address.
    if isinstance(error, ConnectionError):
        return {"ConnectionRefusedError": "connection refused", "ConnectionResetError": "connection reset"}.get(
            type(error).__name__, "connection lost"
        )
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
