"""Which rows are shown and in which order: filter, errors only, sort. Pure.

Streams in flight come first, then those that ended, the latest on top. Within both the order stays as it is,
so that nothing moves under the reader's eye, until a key or a click sorts anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from otel_stream.tui.filter import Predicate, compile_filter
from otel_stream.tui.model import Model
from otel_stream.tui.row import BAD, Row

SortKey: TypeAlias = Callable[[Row, int], object]


class View:
    """A window on a model. One per screen."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.filter = ""
        self.errors_only = False
        self._wanted: Predicate = compile_filter("")
        self._open: list[Row] = []
        self._ended: list[Row] = []

    def set_filter(self, text: str) -> None:
        """Show only what the filter wants. Raises: FilterError, and keeps the filter there is."""
        self._wanted = compile_filter(text)
        self.filter = text.strip()

    def wants(self, row: Row, now: int) -> bool:
        """Whether filter and `errors_only` let a row be shown."""
        return self._wanted(row, now) and (not self.errors_only or row.state(now) in BAD)

    def rows(self, now: int) -> list[Row]:
        """Return the rows to show, in order. What has just ended moves to the top of the ended."""
        rows = self.model.rows
        still = [row for row in self._open if row.is_open and rows.get(row.request_id) is row]
        ended = [row for row in self._ended if not row.is_open and rows.get(row.request_id) is row]
        known = set(map(id, still)) | set(map(id, ended))
        news = [row for row in rows.values() if id(row) not in known]
        self._open = still + [row for row in news if row.is_open]
        self._ended = sorted((row for row in news if not row.is_open), key=_latest_first) + ended
        return [row for row in (*self._open, *self._ended) if self.wants(row, now)]

    def sort(self, key: SortKey, now: int, *, descending: bool) -> None:
        """Sort what is shown, once; rows whose value is not known come last."""
        self.rows(now)
        self._open = _sorted(self._open, key, now, descending=descending)
        self._ended = _sorted(self._ended, key, now, descending=descending)


def _latest_first(row: Row) -> int:
    return -(row.ended_ns or 0)


def _sorted(rows: list[Row], key: SortKey, now: int, *, descending: bool) -> list[Row]:
    values = [(key(row, now), row) for row in rows]
    known = sorted(
        (pair for pair in values if pair[0] is not None),
        key=lambda pair: pair[0],  # type: ignore[return-value, arg-type]  # a column's values compare
        reverse=descending,
    )
    return [row for _, row in known] + [row for value, row in values if value is None]
