"""Sums by attributes that an SDK reads when it collects: a counter at a tenth of the price.

`Counter.add` costs 8 us; here a stream adds to all its sums in 1 us. What arrives is the same: a monotonic
cumulative sum (delta, where the exporter prefers that).
https://opentelemetry.io/docs/specs/otel/metrics/api/#asynchronous-counter
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

MAX_SERIES = 2000  # the SDK's own default; model names come from callers
OVERFLOW = {"otel.metric.overflow": True}
"""What later series are counted under, as the SDK does; the totals stay right."""


class Row:
    """The sums of one series. Any thread may add."""

    __slots__ = ("_lock", "amounts", "attributes")

    def __init__(self, attributes: dict[str, Any], size: int, lock: threading.Lock) -> None:
        self.attributes = attributes
        self.amounts: list[float | None] = [None] * size
        self._lock = lock

    def add(self, amounts: Sequence[float | None]) -> None:
        """Add one amount to each counter; None leaves it alone, and a series never added to is not told."""
        mine = self.amounts
        if not mine:
            return
        with self._lock:
            for column, amount in enumerate(amounts):
                if amount is not None:
                    mine[column] = (mine[column] or 0) + amount


class Sums:
    """Some counters that share their attributes."""

    def __init__(self, meter: Meter, unit: str, counters: Sequence[tuple[str, str]]) -> None:
        """`counters` are (name, description); without any, adding does nothing."""
        self._size = len(counters)
        self._rows: dict[tuple[tuple[str, Any], ...], Row] = {}
        self._lock = threading.Lock()
        self._instruments = [
            meter.create_observable_counter(name, [self._observe(column)], unit, description)
            for column, (name, description) in enumerate(counters)
        ]

    def of(self, attributes: dict[str, Any]) -> Row:
        """Return the row of a series, the same for the same attributes; whoever adds often keeps it."""
        key = tuple(attributes.items())
        with self._lock:
            row = self._rows.get(key)
            if row is None:
                if len(self._rows) >= MAX_SERIES:
                    key, attributes = (), OVERFLOW
                row = self._rows.setdefault(key, Row(attributes, self._size, self._lock))
            return row

    def _observe(self, column: int) -> Callable[[CallbackOptions], list[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            with self._lock:
                known = [(row.amounts[column], row.attributes) for row in self._rows.values()]
            return [Observation(amount, attributes) for amount, attributes in known if amount is not None]

        return observe
