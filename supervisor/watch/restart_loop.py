"""Detection of a bot that restarts itself by writing a watched file, or new files in a watched folder, when it starts.

The same file then changes after several starts in a row, each time with about the same delay. A person's saves are
mostly slower, less regular, or of different files, but not always: when trying something out, one saves as soon as the
bot is back. Source files are therefore never suspected: bots write data, and to stop watching a file that a person is
editing is worse than a restart loop, which is noticed at once. A folder is suspected only if it holds no source files
and a different file in it changes each time.

Times are in seconds of one clock. Nothing is read or done here.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

#: Seconds after a start within which a change may be the bot's own. whatsapp-web.js bots write their state when they
#: become ready, 1 to 3 s after the start.
WINDOW = 5.0

ROUNDS = 4  # starts in a row that such a change must follow

#: By how much the delays may differ: a share of the shortest, or seconds for very short ones.
_SPREAD_SHARE, _SPREAD_MIN = 0.5, 0.3

#: Written by people. A build at each start writes such files with the same content, which is no change.
_SOURCES = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py"})

#: Written by npm for a person, perhaps several times in a row and each time with npm's delay.
_MANIFESTS = frozenset({"package.json", "package-lock.json", "npm-shrinkwrap.json"})


@dataclass(frozen=True, slots=True)
class Storm:
    """A file, or a folder with changing files, that the bot wrote after each of the last `rounds` starts.

    `delay`: the usual time after a start in seconds.
    """

    path: Path
    pattern: str
    rounds: int
    delay: float

    @property
    def config_line(self) -> str:
        """The line to add to the section `[watch]` of the configuration."""
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
    """Observes each change that causes a restart; `root` is the project, to which patterns are relative.

    `holds_sources(folder)`: whether a folder has a source file at any depth, and is therefore never suspected.
    """

    def __init__(self, root: Path, holds_sources: Callable[[Path], bool]) -> None:
        self._root = root
        self._holds_sources = holds_sources
        self._started = float("-inf")
        self._streaks: dict[Path, _Streak] = {}

    def observe(self, at: float, paths: Iterable[Path], started: float) -> Storm | None:
        """Files changed at `at`, after a start at `started`. Returns the storm that this proves, once for each file.

        Called without paths for a start that no change caused, which breaks every streak.
        """
        if started != self._started:
            # A file that did not change after the previous start breaks its streak.
            self._streaks = {path: s for path, s in self._streaks.items() if s.started == self._started}
            self._started = started
        delay = at - started
        if not 0 <= delay <= WINDOW:
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
        """One more change of the file or in the folder `what`; in a folder only if the file is a new one each time."""
        streak = self._streaks.setdefault(what, _Streak(started, [], set()))
        if not streak.delays or streak.started != started:
            if what != path and path in streak.files:
                streak = _Streak(started, [], set())
            streak = self._streaks[what] = _Streak(started, [*streak.delays, delay][-ROUNDS:], streak.files)
        streak.files.add(path)
        if len(streak.delays) < ROUNDS or not _regular(streak.delays):
            return None
        del self._streaks[what]
        usual = sorted(streak.delays)[ROUNDS // 2]
        return Storm(what, self._pattern(what) + ("" if what == path else "/"), ROUNDS, usual)

    def _pattern(self, path: Path) -> str:
        """The anchored pattern for `[watch] ignore` that matches only `path`."""
        try:
            name = path.relative_to(self._root).as_posix()
        except ValueError:
            name = path.as_posix()
        return "/" + "".join(map(_literally, name.lstrip("/")))


def is_source(path: Path) -> bool:
    """Whether a file is one that people write, by its name."""
    return path.suffix in _SOURCES or path.name in _MANIFESTS


def _literally(character: str) -> str:
    if character in "*?[\\":
        return f"\\{character}"
    # A byte that is not UTF-8 cannot be written in the configuration.
    return "?" if "\ud800" <= character <= "\udfff" else character


def _regular(delays: list[float]) -> bool:
    return max(delays) - min(delays) <= max(_SPREAD_MIN, _SPREAD_SHARE * min(delays))
