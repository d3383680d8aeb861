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


class Sums:
    """Some counters that share their attributes. Any thread may add."""

    def __init__(self, meter: Meter, unit: str, counters: Sequence[tuple[str, str]]) -> None:
        """`counters` are (name, description); without any, adding does nothing."""
        self._size = len(counters)
        self._rows: dict[tuple[tuple[str, Any], ...], tuple[dict[str, Any], list[float | None]]] = {}
        self._lock = threading.Lock()
        self._instruments = [
            meter.create_observable_counter(name, [self._observe(column)], unit, description)
            for column, (name, description) in enumerate(counters)
        ]

    def add(self, attributes: dict[str, Any], amounts: Sequence[float | None]) -> None:
        """Add one amount to each counter; None leaves it alone, and a series never added to is not told."""
        if not self._size:
            return
        key = tuple(attributes.items())
        with self._lock:
            row = self._rows.get(key) or self._new(key, attributes)
            for column, amount in enumerate(amounts):
                if amount is not None:
                    row[1][column] = (row[1][column] or 0) + amount

    def _new(
        self, key: tuple[tuple[str, Any], ...], attributes: dict[str, Any]
    ) -> tuple[dict[str, Any], list[float | None]]:
        if len(self._rows) >= MAX_SERIES:
            key, attributes = (), OVERFLOW
        return self._rows.setdefault(key, (attributes, [None] * self._size))

    def _observe(self, column: int) -> Callable[[CallbackOptions], list[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            with self._lock:
                known = [(amounts[column], attributes) for attributes, amounts in self._rows.values()]
            return [Observation(amount, attributes) for amount, attributes in known if amount is not None]

        return observe
