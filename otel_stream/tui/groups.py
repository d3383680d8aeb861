"""Streams summed up by model, provider, agent, tenant or gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from otel_stream.tui.filter import TEXTS
from otel_stream.tui.meters import percentile
from otel_stream.tui.row import BAD, Row

GROUPINGS = ("", "model", "provider", "agent", "tenant", "gateway")
"""Fields of the filter language; nothing is no grouping."""


class Group:
    """The rows that agree in one field, summed up."""

    def __init__(self, field: str, value: str) -> None:
        self.field = field
        self.value = value
        self.in_flight = 0
        self.ended = 0
        self.bad = 0
        self.stalled = 0
        self.output_tokens = 0
        self.tokens_per_s = 0.0
        self.cost_usd = 0.0
        self.estimated = False
        """Tokens and cost are partly estimates."""
        self._first_tokens: list[float] = []

    def add(self, row: Row, now: int) -> None:
        if row.is_open:
            self.in_flight += 1
            self.tokens_per_s += row.tokens_per_s(now) or 0.0
            self.stalled += row.state(now) == "stalled"
        else:
            self.ended += 1
            self.bad += row.state(now) in BAD
        self.output_tokens += row.output_tokens
        self.cost_usd += row.cost_usd or 0.0
        self.estimated |= row.tokens_are_estimated
        if row.first_token_s is not None:
            self._first_tokens.append(row.first_token_s)

    def first_token_s(self, share: float) -> float | None:
        """Return a percentile of the time to the first token."""
        return percentile(self._first_tokens, share)

    @property
    def filter(self) -> str:
        """The filter that shows just these rows."""
        return f'{self.field}="{self.value}"'


def group(rows: Iterable[Row], field: str, now: int) -> list[Group]:
    """Return the rows summed up by a field, the groups in alphabetical order so that none jumps."""
    read = TEXTS[field]
    groups: dict[str, Group] = {}
    for row in rows:
        value = read(row, now)
        if value not in groups:
            groups[value] = Group(field, value)
        groups[value].add(row, now)
    return [groups[value] for value in sorted(groups, key=str.lower)]
