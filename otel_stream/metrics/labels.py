"""The cardinality guard: label values from the wire are bounded, and what overflows is counted.

Model, agent and tenant names come from callers; without a bound anybody could fill the scrape and the
server behind it. Overflowing series go by the name `_other`, so that totals stay exact.
https://prometheus.io/docs/practices/naming/#labels
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

UNKNOWN = "unknown"  # nobody said, or the setting leaves the label out
OTHER = "_other"  # said, but beyond the bound

MAX_VALUE_CHARACTERS = 128
MAX_LABEL_SETS = 2000  # per metric; the OpenTelemetry SDK's default cardinality limit
MAX_VALUES = {
    "provider": 50,
    "model": 100,
    "operation": 20,
    "agent": 50,
    "tenant": 200,
    "subscriber": 50,
    "stage": 100,
}
"""Values each open label may take; all other labels are closed sets of ours."""

LABEL_SETS = "label_sets"
"""What overflows where all values have room, but not all their combinations."""

Child_co = TypeVar("Child_co", covariant=True)
T = TypeVar("T")


class Metric(Protocol[Child_co]):
    """What a prometheus_client metric is to us: it makes a child for label values."""

    def labels(self, *values: str) -> Child_co: ...


class LabelValues:
    """The values each open label has taken. One per registry; any thread may ask."""

    def __init__(self, overflowed: Callable[[str], None]) -> None:
        """`overflowed(label)` is called for each value that found no room."""
        self._admitted: dict[str, dict[str, str]] = {label: {} for label in MAX_VALUES}
        self._overflowed = overflowed

    def admit(self, label: str, value: object) -> str:
        """Return the value as exported: encodable, cut, `unknown` for nothing, `_other` beyond the bound."""
        if not value:
            return UNKNOWN
        text = (value if isinstance(value, str) else str(value))[:MAX_VALUE_CHARACTERS]
        admitted = self._admitted[label]
        known = admitted.get(text)
        if known is not None:
            return known
        if len(admitted) >= MAX_VALUES[label]:
            self._overflowed(label)
            return OTHER
        # A lone surrogate cannot be encoded: one such value would break every scrape from now on.
        admitted[text] = text.encode("utf-8", "replace").decode("utf-8")
        return admitted[text]


class Children(dict[tuple[str, ...], T]):
    """The children of one metric by their label values: `children[values].inc()`.

    A dict's lookup is a fifth of the cost of `metric.labels(...)`.
    """

    def __init__(self, metric: Metric[T], labels: tuple[str, ...], overflowed: Callable[[str], None]) -> None:
        super().__init__()
        self._metric = metric
        self._labels = labels
        self._overflowed = overflowed

    def __missing__(self, values: tuple[str, ...]) -> T:
        if len(self) >= MAX_LABEL_SETS:
            self._overflowed(LABEL_SETS)
            pairs = zip(self._labels, values, strict=True)
            values = tuple(OTHER if label in MAX_VALUES else value for label, value in pairs)
            if values in self:
                return self[values]
        child = self._metric.labels(*values)
        self[values] = child
        return child
