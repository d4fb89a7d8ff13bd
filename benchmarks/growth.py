"""The resources of a supervisor from restart to restart: memory, descriptors, threads, processes, files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from supervisor.config.schema import Config

#: What it may hold more in the end than when its caches are full: megabytes; and descriptors, since it holds one for
#: each process as it last saw them, and Chromium has now and then one more. Of anything else nothing.
BARS = {"memory": 1.0, "descriptors": 2}

#: Seconds after a restart until a supervisor is at rest: it has made its snapshot durable, and tidied up.
REST = 6.0
_LOOKS = 10

_SNAPSHOTS_KEPT = Config().snapshot.max_count

#: Restarts after which there are as many snapshots as are kept, and caches hold what they ever will.
_WARM = _SNAPSHOTS_KEPT + 10

#: Snapshots, profiles and npm's packages.
_OTHERS = ("backup-", "session-", "node_modules")


@dataclass(frozen=True, slots=True)
class Held:
    """The resources in use at one moment. Memory is resident, in megabytes. Processes include the bot and its browsers.
    Files in live profiles and snapshots are not counted."""

    memory: float
    descriptors: int
    threads: int
    processes: int
    files: int
    snapshots: int

    def line(self) -> str:
        """The figures as cells of a table."""
        return (
            f"{self.memory:.1f} MB, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.processes} processes, {self.files} files, {self.snapshots} snapshots"
        )


class Growth:
    """Watches one supervisor, by its pid, and the folders in which it and its bot may leave files."""

    def __init__(self, pid: int, folders: Iterable[Path]) -> None:
        self._process = psutil.Process(pid)
        self._folders = tuple(folders)
        self.marks: list[tuple[int, Held]] = []
        self.most = 0
        """The number of descriptors in every sample."""

    def look(self) -> None:
        """Sample the descriptors between restarts, while the supervisor is not at rest."""
        self.most = max(self.most, self._process.num_fds())

    async def mark(self, restarts: int) -> None:
        """Sample all resources at rest, after so many restarts."""
        await asyncio.sleep(REST)
        descriptors = []
        for _ in range(_LOOKS):  # one sample may coincide with the supervisor's own process listing
            await asyncio.sleep(0.1)
            descriptors.append(self._process.num_fds())
        found = [self._files(folder) for folder in self._folders]
        held = Held(
            self._process.memory_info().rss / 1e6,
            min(descriptors),
            self._process.num_threads(),
            len(self._process.children(recursive=True)),
            sum(files for files, _ in found),
            sum(snapshots for _, snapshots in found),
        )
        self.marks.append((restarts, held))
        print(f"after {restarts:5} restarts, at rest: {held.line()}", flush=True)

    def _files(self, top: Path) -> tuple[int, int]:
        files = snapshots = 0
        for _, names, here in os.walk(top):
            snapshots += sum(name.startswith("backup-") for name in names)
            names[:] = [name for name in names if not name.startswith(_OTHERS)]
            files += len(here)
        return files, snapshots

    def grown(self) -> Sequence[str]:
        """The resources that have grown since the caches were full: past their limit, if they have one, or at all.

        Snapshots may become as many as are kept.
        """
        first = next((held for number, held in self.marks if number >= _WARM), self.marks[0][1])
        last = self.marks[-1][1]
        more = {field.name: getattr(last, field.name) - getattr(first, field.name) for field in fields(Held)}
        more["snapshots"] = last.snapshots - _SNAPSHOTS_KEPT
        return [f"{name} by {by:.2f}" for name, by in more.items() if by > BARS.get(name, 0)]


def marks(restarts: int) -> tuple[int, ...]:
    """The restarts after which to sample: the first, when caches are full, half of them, and all."""
    return tuple(sorted({1, min(restarts, max(_WARM, restarts // 10)), max(1, restarts // 2), restarts}))
