"""Signatures of webhooks by the conventions of Standard Webhooks, which libraries in many languages verify.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """Return the key of a secret: `whsec_` and base64 as in the specification, else its bytes.

    Raises `ValueError` if what follows `whsec_` is not base64.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is not base64") from None


def headers(key: bytes | None, identity: str, now: float, body: bytes) -> dict[str, str]:
    """Return the headers of one delivery at `now`, in Unix time; unsigned without a key.

    The time is signed as well, so that a receiver can reject a replayed message.
    """
    stamp = str(int(now))
    sent = {"webhook-id": identity, "webhook-timestamp": stamp}
    if key is not None:
        signed = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
        sent["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return sent
