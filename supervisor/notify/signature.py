"""Signed webhooks, by the conventions of Standard Webhooks, for which there are verifiers in many languages.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: `whsec_` and base64 as in the specification, else its own bytes.

    Raises `ValueError` for what follows `whsec_` and is no base64.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is no base64") from None


def headers(key: bytes | None, identity: str, now: float, body: bytes) -> dict[str, str]:
    """The headers of one delivery at `now`, in Unix time; unsigned without a key.

    The time is signed as well, so that a receiver can refuse what was recorded and is played back.
    """
    stamp = str(int(now))
    told = {"webhook-id": identity, "webhook-timestamp": stamp}
    if key is not None:
        signed = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
        told["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return told
