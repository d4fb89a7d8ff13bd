"""The names of sessions in metrics.

A session's id is usually a phone number, and metrics are copied to databases, dashboards, alerts and chats.
"""

import hashlib
import hmac
import re
from typing import Final, Literal

from supervisor.system.escape import escape_surrogates

_NUMBER: Final = re.compile(r"\d{7,}")
_SHOWN: Final = 4  # last digits that are kept, so that users can recognize their numbers
_DIGEST: Final = 6  # hexadecimal digits that distinguish numbers with the same last digits


class Labels:
    """Names sessions. `key` is the project's: a number has different names in different projects."""

    def __init__(self, form: Literal["masked", "id"], key: str) -> None:
        self._form = form
        self._key = key.encode()

    def of(self, session: str) -> str:
        """Return the name of a session: its id, with a phone number masked unless `form` is "id".

        >>> Labels("masked", "p").of("15551234567")
        '4567-7fb289'
        >>> Labels("masked", "p").of("support")
        'support'
        """
        session = escape_surrogates(session)  # as in a status; Prometheus takes only UTF-8
        if self._form == "id" or (number := _NUMBER.search(session)) is None:
            return session
        digest = hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()
        return f"{number[0][-_SHOWN:]}-{digest[:_DIGEST]}"
