"""Running something again and again, killed at each of its file-system operations in turn."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_KILLED, _FAILED = 77, 78
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_EVENTS = frozenset(
    {
        "os.chmod",
        "os.chown",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "os.utime",
    }
)


class _Countdown:
    """Ends the process when the k-th operation that changes something is about to happen."""

    def __init__(self) -> None:
        self.left = 0

    def step(self) -> bool:
        """Count one operation; whether it is the last."""
        if self.left == 0:
            return False
        self.left -= 1
        return self.left == 0

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.left and (event in _EVENTS or (event == "open" and (args[2] or 0) & _WRITING)) and self.step():
            os._exit(_KILLED)


_countdown = _Countdown()
sys.addaudithook(_countdown.hook)
_write, _send = os.write, os.sendfile


def _half_a_write(fd: int, data: bytes) -> int:
    if _countdown.step():
        _write(fd, bytes(data)[: len(data) // 2])
        os._exit(_KILLED)
    return _write(fd, data)


def _half_a_copy(target: int, source: int, offset: None, count: int) -> int:
    if _countdown.step():
        _send(target, source, offset, os.fstat(source).st_size // 2)
        os._exit(_KILLED)
    return _send(target, source, offset, count)


def killed_at(k: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that is killed at its k-th operation; whether it came that far. Writes are cut in half."""
    child = os.fork()
    if child == 0:
        status = _FAILED
        try:
            os.write, os.sendfile = _half_a_write, _half_a_copy  # type: ignore[assignment]
            _countdown.left = k
            work()
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, _KILLED}, f"the work failed at operation {k}"
    return code == _KILLED


def at_every_kill_point(template: Path, place: Path, work: Callable[[], object]) -> Iterator[int]:
    """Yields after each kill, with `place` as it was left; before each run it is made anew from `template`.

    The last time, the number is 0: `work` came to its end.
    """
    k = 0
    while True:
        k += 1
        shutil.rmtree(place, ignore_errors=True)
        copy(template, place)
        if not killed_at(k, work):
            yield 0
            assert k > 3, "nothing was done that could be cut off"
            return
        yield k


def copy(source: Path, target: Path) -> None:
    """Copy a folder as it is: hard links in it stay hard links, links are not followed, times are kept."""
    seen: dict[int, str] = {}

    def copy_one(one: str, other: str) -> str:
        inode = os.lstat(one).st_ino
        if inode in seen:
            os.link(seen[inode], other)
        else:
            seen[inode] = other
            shutil.copy2(one, other, follow_symlinks=False)
        return other

    shutil.copytree(source, target, symlinks=True, copy_function=copy_one)
