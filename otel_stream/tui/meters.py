"""Counts over time: how much came in the last seconds, how long the gaps were. Pure; time is passed in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

NS = 1_000_000_000
BARS = "▁▂▃▄▅▆▇█"


class PerSecond:
    """A sum for each of the last `seconds` seconds. Times are nanoseconds since the epoch."""

    __slots__ = ("_newest", "_sums")

    def __init__(self, seconds: int) -> None:
        self._sums = [0.0] * seconds
        self._newest = 0

    def add(self, at: int, amount: float = 1) -> None:
        """Count `amount`; what is older than the meter reaches back is left out."""
        second = at // NS
        if second > self._newest:
            self._advance(second)
        if second > self._newest - len(self._sums):
            self._sums[second % len(self._sums)] += amount

    def _advance(self, second: int) -> None:
        size = len(self._sums)
        for empty in range(max(self._newest + 1, second - size + 1), second + 1):
            self._sums[empty % size] = 0.0
        self._newest = second

    def series(self, now: int, seconds: int) -> list[float]:
        """Return the sums of the last `seconds` whole seconds, the oldest first."""
        last = now // NS - 1
        return [self._sum_of(second) for second in range(last - seconds + 1, last + 1)]

    def total(self, now: int) -> float:
        """Return the sum over all it reaches back to, this second included."""
        second = now // NS
        return sum(self._sum_of(s) for s in range(second - len(self._sums) + 1, second + 1))

    def rate(self, now: int, seconds: int = 3) -> float:
        """Return the mean per second over the last `seconds` whole seconds and the running one."""
        second = now // NS
        got = sum(self._sum_of(s) for s in range(second - seconds, second + 1))
        return got / (seconds + now % NS / NS)

    def _sum_of(self, second: int) -> float:
        size = len(self._sums)
        return self._sums[second % size] if self._newest - size < second <= self._newest else 0.0


_BOUNDS = tuple(0.001 * 1.25**step for step in range(50))
"""Seconds, 1 ms to 56 s: percentiles are right to a quarter, whatever the length of the answer."""


class Gaps:
    """Gaps between chunks, counted in buckets, so that a stream of any length costs the same."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: list[int] | None = None  # most streams that are only counted never need it
        self._total = 0

    def add(self, seconds: float) -> None:
        if self._counts is None:
            self._counts = [0] * (len(_BOUNDS) + 1)
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self._total += 1

    def percentile(self, share: float) -> float | None:
        """Return the gap, in seconds, that `share` of all gaps do not exceed; None without any."""
        if self._counts is None:
            return None
        wanted = share * self._total
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return _BOUNDS[min(index, len(_BOUNDS) - 1)]
        return _BOUNDS[-1]  # pragma: no cover - the loop ends before


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that `share` of the values do not exceed; None without any."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spark(values: Sequence[float]) -> str:
    """Return bars of one cell each, the highest as high as they go; nothing is a space."""
    top = max(values, default=0)
    if top <= 0:
        return " " * len(values)
    last = len(BARS) - 1
    return "".join(BARS[min(last, int(value / top * last + 0.5))] if value > 0 else " " for value in values)
