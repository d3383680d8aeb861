"""The columns of the table: what stands in a cell, how it is marked, what it is sorted by. Pure.

A table of its own so that screen, `--once` and sorting agree; which columns fit is decided here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from otel_stream.terminal import harmless
from otel_stream.tui import words
from otel_stream.tui.filter import NUMBERS, TEXTS
from otel_stream.tui.meters import spark
from otel_stream.tui.row import Row

T = TypeVar("T")


class Cell(NamedTuple):
    """Text that no terminal would obey, and its role: a state's name, `alert`, or nothing."""

    text: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a table of `T`. `width` is in cells; columns that `grow` share what room is left."""

    name: str
    title: str
    width: int
    cell: Callable[[T, int], Cell]
    need: int
    """Columns of the highest need stay longest in a narrow window."""
    right: bool = False
    grow: bool = False


def _plain(read: Callable[[Row, int], str]) -> Callable[[Row, int], Cell]:
    return lambda row, now: Cell(harmless(read(row, now)))


def _limited(read: Callable[[Row, int], str], limit: str) -> Callable[[Row, int], Cell]:
    """Mark the cell when the row crossed the limit, in colour and with a `!`."""

    def cell(row: Row, now: int) -> Cell:
        text = read(row, now)
        return Cell(f"!{text}", "alert") if limit in row.marks else Cell(text)

    return cell


def _state(row: Row, now: int) -> Cell:
    return Cell(words.state(row, now), row.state(now))


def _first_token(row: Row, now: int) -> str:
    """Until the first token comes, the time it has been waited for."""
    if row.first_token_s is None and row.is_open:
        return f"{words.seconds(row.age_s(now))}…"
    return words.seconds(row.first_token_s)


def _rate(row: Row, now: int) -> str:
    return words.rate(row.tokens_per_s(now))


def _silent(row: Row, now: int) -> str:
    return words.seconds(row.silent_s(now))


def _age(row: Row, now: int) -> str:
    return words.seconds(row.age_s(now))


def _spark(row: Row, now: int) -> Cell:
    return Cell(spark(row.rates(now)), row.state(now))


COLUMNS: tuple[Column[Row], ...] = (
    Column("id", "stream", 8, _plain(lambda row, _: words.short_id(row.request_id)), need=9),
    Column("state", "state", 12, _state, need=10),
    Column("model", "model", 16, _plain(lambda row, _: words.short_model(row.model)), need=8, grow=True),
    Column("provider", "provider", 10, _plain(lambda row, _: row.started.provider or ""), need=1),
    Column("who", "who", 16, _plain(lambda row, _: row.who), need=3, grow=True),
    Column("ttft", "1st tok", 7, _limited(_first_token, "first_token_s"), need=6, right=True),
    Column("tokens", "tokens", 7, _plain(lambda row, _: words.tokens(row)), need=7, right=True),
    Column("rate", "tok/s", 6, _plain(_rate), need=6, right=True),
    Column("stall", "silent", 7, _limited(_silent, "stall_s"), need=4, right=True),
    Column("gap", "gap 50/95", 11, _plain(lambda row, _: words.gaps(row)), need=2, right=True),
    Column("cost", "cost", 9, _limited(lambda row, _: words.cost(row), "cost_usd"), need=7, right=True),
    Column("age", "age", 6, _plain(_age), need=5, right=True),
    Column("spark", "last 10 s", 10, _spark, need=2),
)
GATEWAY = Column("gateway", "gateway", 10, _plain(lambda row, _: row.gateway), need=2)


def _text_key(read: Callable[[Row, int], str]) -> Callable[[Row, int], object]:
    return lambda row, now: read(row, now).lower() or None


SORT_KEYS: dict[str, Callable[[Row, int], object]] = {
    **{name: _text_key(read) for name, read in TEXTS.items()},
    **NUMBERS,
    "id": lambda row, _: row.started_ns,
    "spark": lambda row, now: sum(row.rates(now)),
}
"""What a column, by its name, is sorted by; None is not known and comes last."""


class Placed(NamedTuple):
    """A column with the width it gets."""

    column: Column[Any]
    width: int


def layout(width: int, columns: Sequence[Column[Any]] = COLUMNS) -> list[Placed]:
    """Return the columns that fit into `width` cells with one cell between them, and their widths."""
    shown = list(columns)
    while len(shown) > 1 and _width(shown) > width:
        shown.remove(min(reversed(shown), key=lambda column: column.need))
    room = max(0, width - _width(shown))
    growing = [column for column in shown if column.grow]
    extra = {column.name: room // len(growing) for column in growing}
    if growing:
        extra[growing[0].name] += room % len(growing)
    return [Placed(column, column.width + extra.get(column.name, 0)) for column in shown]


def _width(columns: Sequence[Column[Any]]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1
