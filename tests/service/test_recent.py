"""What was asked for last is kept, within bounds."""

from __future__ import annotations

from dataclasses import dataclass

from service.steps.recent import Recent


@dataclass
class Held:
    nbytes: int


def test_the_oldest_goes_where_there_are_too_many() -> None:
    recent: Recent[Held] = Recent(10**6, most=3)
    for k in range(5):
        recent.keep(k, Held(10))
        recent.get(0)
    assert [recent.get(k) is not None for k in range(5)] == [True, False, False, True, True]
    assert (recent.nbytes, len(recent)) == (30, 3)


def test_the_oldest_goes_where_there_are_too_many_bytes() -> None:
    recent: Recent[Held] = Recent(most_bytes=30, most=100)
    for k in range(9):
        recent.keep(k % 4, Held(10))
        assert recent.nbytes == 10 * len(recent) <= 30
    recent.keep("a", Held(25))
    assert recent.nbytes == 25
    recent.keep("b", Held(31))
    assert (recent.nbytes, len(recent), recent.get("b")) == (0, 0, None)


def test_what_is_kept_again_is_counted_once() -> None:
    recent: Recent[Held] = Recent(100, 10)
    for size in (10, 20, 5):
        recent.keep("a", Held(size))
        assert (recent.nbytes, len(recent)) == (size, 1)
