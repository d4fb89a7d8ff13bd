"""A bot that restarts itself: it writes a watched file, or a new one in a watched folder, soon after each start.

What gives it away: the same file changes soon after one start after the other, each time with about the same delay. A
person who saves again and again is slower, or less regular, or saves other files in between; but not always: who tries
something out saves as soon as the bot is back. Source files are therefore never suspected. What bots write is data, and
to stop watching the file that somebody is working on costs more than a storm, which is seen at once. A folder is
suspected only if it holds no source at all and it is another of its files each time.

Pure: times come in, in seconds of one clock; nothing is read or done here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

#: A change counts as the bot's own if it comes within so many seconds of the start. whatsapp-web.js bots write their
#: state when they become ready, 1 to 3 s after the start.
WINDOW = 5.0

#: So many starts in a row must be followed by it.
ROUNDS = 4

#: The delays may differ by so much: a share of the shortest, or that many seconds for very short ones.
_SPREAD_SHARE, _SPREAD_MIN = 0.5, 0.3


#: What people write. A build that writes such files at each start changes nothing in them, which is no change.
_SOURCES = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py"})

#: What people have npm write, perhaps several times in a row, each time with the delay that npm has.
_MANIFESTS = frozenset({"package.json", "package-lock.json", "npm-shrinkwrap.json"})


@dataclass(frozen=True, slots=True)
class Storm:
    """A file, or a folder by its files, that restarted the bot after each of the last `rounds` starts; `delay` is the
    usual time after a start in seconds."""

    path: Path
    pattern: str
    rounds: int
    delay: float

    @property
    def config_line(self) -> str:
        """What to add to the section `[watch]` of the configuration."""
        return f"ignore = [{json.dumps(self.pattern, ensure_ascii=False)}]"

    def __str__(self) -> str:
        return (
            f"{self.pattern} changed {self.delay:.1f} s after each of the last {self.rounds} starts: the bot writes it "
            f"itself. It no longer restarts the bot; to have that in your configuration, put {self.config_line} under "
            "[watch]"
        )


@dataclass(slots=True)
class _Streak:
    started: float
    delays: list[float]
    files: set[Path]


class StormDetector:
    """Fed with each change that asks for a restart; `root` is the project, for naming files.

    `holds_sources(folder)` tells whether a folder has, at any depth, a file that people write; it is then never
    suspected as a whole.
    """

    def __init__(
        self,
        root: Path,
        *,
        rounds: int = ROUNDS,
        window: float = WINDOW,
        holds_sources: Callable[[Path], bool] = lambda _: True,
    ) -> None:
        self._root = root
        self._holds_sources = holds_sources
        self._rounds = rounds
        self._window = window
        self._started = float("-inf")
        self._streaks: dict[Path, _Streak] = {}

    def observe(self, at: float, paths: Iterable[Path], started: float) -> Storm | None:
        """Files changed at `at`, and the bot that runs was started at `started`; the storm that this proves, if any.

        Call it without paths for a start that nobody's change asked for, which breaks every streak. A file is reported
        once; whoever gets the report excludes it from watching.
        """
        if started != self._started:
            # The streaks of files that did not change after the previous start are broken.
            self._streaks = {path: s for path, s in self._streaks.items() if s.started == self._started}
            self._started = started
        delay = at - started
        if not 0 <= delay <= self._window:
            return None
        data = [path for path in paths if not is_source(path)]
        for path in data:
            storm = self._note(path, path, delay, started)
            if storm is not None:
                return storm
        for path in data:
            folder = path.parent
            if folder != self._root and self._root in folder.parents and not self._holds_sources(folder):
                storm = self._note(folder, path, delay, started)
                if storm is not None:
                    return storm
        return None

    def _note(self, what: Path, path: Path, delay: float, started: float) -> Storm | None:
        """One more change of a file, or in a folder; a folder counts only while it is another file each time."""
        streak = self._streaks.setdefault(what, _Streak(started, [], set()))
        if not streak.delays or streak.started != started:
            if what != path and path in streak.files:
                streak.delays, streak.files = [], set()
            streak.started = started
            streak.delays = [*streak.delays, delay][-self._rounds :]
        streak.files.add(path)
        if len(streak.delays) < self._rounds or not _regular(streak.delays):
            return None
        del self._streaks[what]
        usual = sorted(streak.delays)[self._rounds // 2]
        return Storm(what, self._pattern(what) + ("" if what == path else "/"), self._rounds, usual)

    def _pattern(self, path: Path) -> str:
        """A file as a pattern of `[watch] ignore`: anchored, and with wildcards taken literally."""
        try:
            name = path.relative_to(self._root).as_posix()
        except ValueError:
            name = path.as_posix()
        return "/" + "".join(map(_literally, name.lstrip("/")))


def is_source(path: Path) -> bool:
    """Whether this is a file that people write, by its name."""
    return path.suffix in _SOURCES or path.name in _MANIFESTS


def _literally(character: str) -> str:
    if character in "*?[\\":
        return f"\\{character}"
    # A byte that is not UTF-8 cannot stand in the configuration.
    return "?" if "\ud800" <= character <= "\udfff" else character


def _regular(delays: list[float]) -> bool:
    return max(delays) - min(delays) <= max(_SPREAD_MIN, _SPREAD_SHARE * min(delays))
