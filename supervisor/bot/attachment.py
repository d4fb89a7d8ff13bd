"""What the node of one run reports of its browsers: those that it has launched, and those that it has taken over."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from supervisor.log.logger import emit
from supervisor.warm.channel import Report
from supervisor.warm.kept import KeptBrowser, Launched

Step = Literal["attach", "replay", "over"]
"""A step of a takeover that begins: to the kept browsers, delivering what has waited in them, the end."""


class Attachment:
    """The browsers of one run, as its node reports them.

    A bot with several browsers takes all of them over, or none: `on_step` is called for a step when the first browser
    has come to it, and for the end when the last one has. `on_failure` is called with a reason, at most once, if they
    cannot be taken over after all.
    """

    def __init__(
        self, kept: Sequence[KeptBrowser], on_step: Callable[[Step], None], on_failure: Callable[[str], None]
    ) -> None:
        self.kept = tuple(kept)
        #: By the real path of its profile, each browser that the node has launched or taken over.
        self.launched: dict[Path, Launched] = {browser.launched.real: browser.launched for browser in kept}
        #: Those whose bot has become ready on a page that was marked then.
        self.marked: set[Path] = set()
        #: Whether the bot itself has changed a page, or may have.
        self.touched = False
        #: Events that did not find room while they waited.
        self.dropped = 0
        #: Events that have been delivered late, and how many were begun by an earlier node that did not finish them.
        self.replayed = 0
        self._on_step = on_step
        self._on_failure = on_failure
        self._attached: set[Path] = set()
        self._over: set[Path] = set()
        self._failed = False

    @property
    def takes_over(self) -> bool:
        """Whether there are browsers to be taken over."""
        return bool(self.kept)

    @property
    def pending(self) -> bool:
        """Whether browsers are still to be taken over."""
        return len(self._over) < len(self.kept)

    @property
    def begun(self) -> bool:
        """Whether the node has connected to one of the browsers that are kept for it."""
        return bool(self._attached)

    @property
    def library(self) -> str | None:
        """The file of the library by which the bot has opened its browsers, if the next one may load it ahead."""
        files = {str(one.info["ahead"]) for one in self.launched.values() if one.info.get("ahead")}
        return files.pop() if len(files) == 1 else None

    def report(self, report: Report) -> None:
        """Take in one report of the node's."""
        real = Path(str(report.get("profile") or ""))
        match report["t"]:
            case "launch":
                try:
                    launched = Launched.of(report)
                except ValueError:
                    return
                self.launched[launched.real] = launched
            case "ready":
                self.marked.add(real)
                emit("browser.keepable", profile=str(real))
            case "evaluated":
                self.touched = True
            case "destroyed":
                self.launched.pop(real, None)
                self.marked.discard(real)
            case "attach":
                if not self._attached:
                    self._on_step("attach")
                self._attached.add(real)
            case "attached":
                self.marked.add(real)
                if not self._over:
                    self._on_step("replay")
            case "replayed":
                self.replayed += _count(report.get("replayed"))
                self.dropped += _count(report.get("dropped"))
                news = real not in self._over
                self._over.add(real)
                if news and len(self._over) == len(self.kept):
                    self._on_step("over")
            case "cold":
                if self._failed:
                    return
                self._failed = True
                self._on_failure(str(report.get("why") or "the node has not said why"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
