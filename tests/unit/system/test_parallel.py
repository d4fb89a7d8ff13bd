"""The same with many files, on a few threads if that pays."""

from __future__ import annotations

import threading

import pytest

from supervisor.system import parallel

MUCH = 1 << 30


@pytest.mark.parametrize("size", [0, MUCH])
def test_results_come_in_order_and_all_is_done(size: int) -> None:
    done: list[int] = []
    assert list(parallel.each(lambda n: n * n, range(50), total_bytes=size)) == [n * n for n in range(50)]
    with parallel.beside(done.append, range(50), total_bytes=size):
        pass
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize("size", [0, MUCH])
def test_what_fails_is_raised(size: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(parallel.each(lambda n: 1 // n, range(50), total_bytes=size))
    with pytest.raises(ZeroDivisionError), parallel.beside(lambda n: 1 // n, range(50), total_bytes=size):
        pass


@pytest.mark.parametrize("size", [0, MUCH])
def test_what_fails_beside_it_ends_it(size: int) -> None:
    going_on, begun = threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        going_on.wait(10)

    def fail() -> None:
        with parallel.beside(work, range(100), total_bytes=size):
            threading.Timer(0.05, going_on.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(begun) < 100


def test_a_part_counts_on_from_what_came_before() -> None:
    told: list[tuple[int, int]] = []
    part = parallel.part(lambda done, total: told.append((done, total)), 40, 100)
    part(1, 60)
    part(60, 60)
    assert told == [(41, 100), (100, 100)]
