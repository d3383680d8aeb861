"""What a gateway used while it was loaded and what was left when it rested. Pure."""

from __future__ import annotations

import math
import statistics
from typing import Any, NamedTuple

from benchmarks.soak.servers import Lag

WARM_UP = 1 / 3  # of the time under load, in which caches fill and the allocator finds its level
MIB = 1 << 20


class Sample(NamedTuple):
    """Memory after so many seconds under load and so many calls."""

    seconds: float
    calls: int
    rss_bytes: int


class Rest(NamedTuple):
    """What is there when no call is open. `blocks`: memory blocks that Python has handed out."""

    calls: int
    blocks: int
    tasks: int
    fds: int
    threads: int


class Stretch(NamedTuple):
    """One measured stretch of load. `pieces` of answers went through."""

    lags: list[Lag]
    seconds: float
    cpu_seconds: float
    pieces: int


class Record:
    """Everything measured of one gateway."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.rests: list[Rest] = []
        self.stretches: list[Stretch] = []

    @property
    def complete(self) -> bool:
        """Whether it was loaded and rested after that; Ctrl-C may come before."""
        return len(self.samples) > 1 and len(self.rests) > 1

    @property
    def loaded_seconds(self) -> float:
        return self.samples[-1].seconds if self.samples else 0.0

    # -- event loop and CPU

    def lag_ms(self, share: float, *, own: bool = False) -> float:
        """Return that percentile of the lag (0.5: the median, 1: the longest), the median over stretches.

        `own` counts only what the process may have done itself.
        """
        return 1000 * statistics.median(
            percentile([lag.own if own else lag.lag for lag in stretch.lags], share)
            for stretch in self.stretches
        )

    @property
    def cpu_share(self) -> float:
        """Cores in use."""
        return sum(s.cpu_seconds for s in self.stretches) / sum(s.seconds for s in self.stretches)

    @property
    def cpu_us_per_piece(self) -> float:
        """Everything the process did, divided by the pieces of answers that went through."""
        return 1e6 * sum(s.cpu_seconds for s in self.stretches) / sum(s.pieces for s in self.stretches)

    # -- memory

    @property
    def rss_mib(self) -> float:
        """Median after the warm-up."""
        return statistics.median(sample.rss_bytes for sample in self._warm) / MIB

    @property
    def rss_mib_per_hour(self) -> float:
        """Slope of the line through the samples after the warm-up."""
        warm = self._warm
        return 3600 * slope([s.seconds for s in warm], [s.rss_bytes / MIB for s in warm])

    @property
    def rss_growth_mib(self) -> float:
        """What that slope comes to over the time it was measured."""
        return self.rss_mib_per_hour / 3600 * (self._warm[-1].seconds - self._warm[0].seconds)

    @property
    def _warm(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.seconds >= self.loaded_seconds * WARM_UP]

    # -- at rest

    @property
    def blocks_kept(self) -> tuple[float, int]:
        """Return how many memory blocks stayed after the warm-up, and over how many calls."""
        rests = [rest for rest in self.rests if rest.calls >= self.rests[-1].calls * WARM_UP]
        calls = rests[-1].calls - rests[0].calls
        return calls * slope([rest.calls for rest in rests], [rest.blocks for rest in rests]), calls

    def left(self, what: str) -> int:
        """Return how many more there are at the last rest than at the first: `tasks`, `fds` or `threads`."""
        return int(getattr(self.rests[-1], what) - getattr(self.rests[0], what))

    def as_dict(self) -> dict[str, Any]:
        """Return it for a file, lags summed up as median, p99, p99.9 and longest."""
        shares = (0.5, 0.99, 0.999, 1)
        lags = [[percentile([lag.lag for lag in s.lags], share) for share in shares] for s in self.stretches]
        own = [[percentile([lag.own for lag in s.lags], share) for share in shares] for s in self.stretches]
        stretches = [stretch._replace(lags=[]) for stretch in self.stretches]
        return {
            "samples": self.samples,
            "rests": self.rests,
            "stretches": stretches,
            "lags": lags,
            "own_lags": own,
        }


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def slope(xs: list[float], ys: list[float]) -> float:
    """Return the slope of the line that fits best; 0 when there is none to be seen."""
    return statistics.linear_regression(xs, ys).slope if len(set(xs)) > 1 else 0.0
