"""What a session is called in figures that leave the project.

A session's id is usually a phone number, and figures are copied about: into a database, dashboards, alerts, chats.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final, Literal

from supervisor.system.escape import escape_surrogates

_NUMBER: Final = re.compile(r"\d{7,}")
_SHOWN: Final = 4  # digits that stay, for whoever knows the numbers to tell them apart
_DIGEST: Final = 6  # hexadecimal digits, to tell those apart that end alike


class Labels:
    """Names sessions. `key` is the project's: the same number has another name in another project."""

    def __init__(self, form: Literal["masked", "id"], key: str) -> None:
        self._form = form
        self._key = key.encode()

    def of(self, session: str) -> str:
        """A session's name: with its phone number masked, or its id as it is.

        >>> Labels("masked", "p").of("15551234567")
        '4567-7fb289'
        >>> Labels("masked", "p").of("support")
        'support'
        """
        session = escape_surrogates(session)  # in a status it is so, too, and Prometheus takes only UTF-8
        if self._form == "id" or (number := _NUMBER.search(session)) is None:
            return session
        digest = hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()
        return f"{number[0][-_SHOWN:]}-{digest[:_DIGEST]}"
