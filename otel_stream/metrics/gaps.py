"""Which gaps between chunks are recorded one by one, where each record is dear.

The conventions want one record a gap. At 1 to 13 us each that would cost more than all else we do for a
chunk, so as many are recorded as fit a budget of time: every one in a quiet process, an even sample in a
busy one. All gaps are in `llm_stream_time_per_output_chunk_seconds`, which takes them by the bucket.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate

from otel_stream.stream import GAP_BOUNDS_SECONDS

RECORDS_A_SECOND = 200  # at most 3 ms of CPU a second
RECORDS_AT_ONCE = 400  # what a quiet second or two leave
RECORDS_A_STREAM = 8  # 10 us at the end of a stream, or 0.1 ms where the SDK is not as we know it


class GapSample:
    """Draws gaps from the bucket counts of streams, within the budget. One per process, any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(RECORDS_AT_ONCE)
        self._at = clock()

    def take(self, counts: Sequence[int], *, records_each: int = 1) -> list[float]:
        """Return gaps in seconds that are spread over the buckets as the stream's are.

        A gap within a bucket is placed evenly, one beyond the last bound at that bound.
        """
        total = sum(counts)
        wanted = min(total, self._allowed() // max(1, records_each))
        if not wanted:
            return []
        self._left -= wanted * records_each  # threads may race here: a few records more or less
        reached = list(accumulate(counts))
        return [_gap_at((rank + 0.5) * total / wanted, counts, reached) for rank in range(wanted)]

    def _allowed(self) -> int:
        now = self._clock()
        self._left = min(RECORDS_AT_ONCE, self._left + max(0.0, now - self._at) * RECORDS_A_SECOND)
        self._at = now
        return max(0, min(RECORDS_A_STREAM, int(self._left)))


def _gap_at(rank: float, counts: Sequence[int], reached: Sequence[int]) -> float:
    """Return the gap that about `rank` of the stream's gaps are shorter than."""
    bucket = bisect_left(reached, rank)
    if bucket >= len(GAP_BOUNDS_SECONDS):
        return float(GAP_BOUNDS_SECONDS[-1])
    low = GAP_BOUNDS_SECONDS[bucket - 1] if bucket else 0.0
    inside = (rank - (reached[bucket] - counts[bucket])) / counts[bucket]
    return low + (GAP_BOUNDS_SECONDS[bucket] - low) * inside
