"""A profile after its browser has exited."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Released:
    """How a profile was left by its browser."""

    clean: bool
    """Whether the browser wrote everything down: it was seen to exit, and left no lock."""
    linked: bool | None
    """Whether its page was last seen linked; None if no page was read."""
    version: str | None
    """The browser's version, if it was told."""
    incognito: bool = False
    """Whether its page was incognito, so that the profile holds nothing of it."""
