"""Streams summed up by model, provider, agent, tenant or gateway. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from otel_stream.terminal import harmless
from otel_stream.tui import words
from otel_stream.tui.columns import Cell, Column
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


def _shown(read: Callable[[Group], str], role: str = "") -> Callable[[Group, int], Cell]:
    """Return a cell's text; its role is for what is not nothing."""

    def cell(group: Group, _: int) -> Cell:
        text = harmless(read(group))
        return Cell(text, role if text != "0" else "")

    return cell


def _in_flight(group: Group) -> str:
    return words.count(group.in_flight)


def _stalled(group: Group) -> str:
    return words.count(group.stalled)


def _first(group: Group, share: float) -> str:
    return words.seconds(group.first_token_s(share))


def _tokens(group: Group) -> str:
    return words.count(group.output_tokens, estimated=group.estimated)


def _cost(group: Group) -> str:
    return words.money(group.cost_usd, estimated=group.estimated)


GROUP_COLUMNS: tuple[Column[Group], ...] = (
    Column("value", "group", 24, _shown(lambda group: group.value or "(none)"), need=10, grow=True),
    Column("in_flight", "in flight", 9, _shown(_in_flight), need=9, right=True),
    Column("stalled", "stalled", 7, _shown(_stalled, "stalled"), 6, right=True),
    Column("ended", "ended", 7, _shown(lambda group: words.count(group.ended)), need=7, right=True),
    Column("bad", "errors", 7, _shown(lambda group: words.count(group.bad), "error"), need=8, right=True),
    Column("first", "1st tok 50", 10, _shown(lambda group: _first(group, 0.5)), need=5, right=True),
    Column("first95", "1st tok 95", 10, _shown(lambda group: _first(group, 0.95)), need=4, right=True),
    Column("tokens", "tokens", 9, _shown(_tokens), need=6, right=True),
    Column("rate", "tok/s", 7, _shown(lambda group: words.rate(group.tokens_per_s)), need=6, right=True),
    Column("cost", "cost", 10, _shown(_cost), need=7, right=True),
)
