"""Limits a stream may cross: too slow, stalled, too expensive. Each crossing is told once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from otel_stream.tui.row import Row


class Limits(NamedTuple):
    """What is too much; None is no limit."""

    first_token_s: float | None = 10.0
    stall_s: float | None = 10.0
    cost_usd: float | None = 1.0


class Crossing(NamedTuple):
    """A stream that crossed a limit just now; `limit` is the name of a member of `Limits`."""

    row: Row
    limit: str
    value: float


class Watcher:
    """Tells crossings of the limits. A stall that ended may cross again."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def look(self, rows: Iterable[Row], now: int) -> list[Crossing]:
        """Return what crossed a limit since the last look, and mark the rows."""
        crossings = []
        for row in rows:
            found = self._over(row, now)
            if found or row.marks:
                crossings += [
                    Crossing(row, name, value) for name, value in found.items() if name not in row.marks
                ]
                row.marks = frozenset(found)
        return crossings

    def _over(self, row: Row, now: int) -> dict[str, float]:
        first = row.first_token_s
        if first is None and row.is_open:
            first = row.age_s(now)
        values = {"first_token_s": first, "stall_s": row.silent_s(now), "cost_usd": row.cost_usd}
        return {
            name: value
            for (name, limit) in zip(Limits._fields, self.limits, strict=True)
            if limit is not None and (value := values[name]) is not None and value > limit
        }
