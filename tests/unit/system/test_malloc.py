"""What a supervisor has let go of, the system has back."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")

_PROGRAM = """
import gc, psutil
from supervisor.system import malloc as allocator

def held():
    return psutil.Process().memory_info().rss / 1e6

allocator.restrain()
"""


def _run(program: str) -> float:
    done = subprocess.run([sys.executable, "-c", _PROGRAM + program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_gaps_in_the_heap_are_given_back() -> None:
    """A block that lives on keeps all that lies below it in the heap, until it is asked for."""
    held = _run("""
before = held()
blocks = [b"x" * 100_000 for _ in range(300)]
last = blocks.pop()
del blocks
assert held() > before + 20
allocator.give_back()
print(held() - before)
""")
    assert held < 5


def test_a_large_block_never_comes_from_the_heap() -> None:
    """Once glibc has seen one freed it takes the next from the heap, where a block behind it keeps its place taken."""
    held = _run("""
before = held()
for _ in range(3):
    block = b"x" * 8_000_000
    del block
block = b"x" * 8_000_000
behind = b"x" * 1_000_000
del block
print(held() - before)
""")
    assert held < 5


def test_the_collector_does_not_look_at_what_stays_until_the_end() -> None:
    assert _run("print(len(gc.get_objects()) / gc.get_freeze_count())") < 0.1
