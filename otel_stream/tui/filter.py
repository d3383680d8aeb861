"""The filter language of screen, page and tail: `model:gpt state:stalled cost>0.05 -who:batch`. Pure.

Terms are separated by spaces and must all hold. `word` looks everywhere, `field:text` looks for text (of
several, separated by commas, for any), `field=text` wants exactly it, `field>number` compares; a `-` in front
negates, quotes keep spaces. Case does not matter. The web page has the same in JavaScript.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from otel_stream.events import Ended, Error
from otel_stream.tui.row import Row

Predicate: TypeAlias = Callable[[Row, int], bool]
"""Whether a row is wanted; the second argument is now, in nanoseconds since the epoch."""


def _error(ended: Ended | None) -> str:
    return f"{ended.error_type} {ended.message}" if isinstance(ended, Error) else ""


class FilterError(ValueError):
    """The filter is not understood; the message says which term and what could stand there."""


TEXTS: dict[str, Callable[[Row, int], str]] = {
    "id": lambda row, _: row.request_id,
    "model": lambda row, _: row.model,
    "provider": lambda row, _: row.started.provider or "",
    "agent": lambda row, _: row.started.agent_type or "",
    "tenant": lambda row, _: row.started.tenant or "",
    "who": lambda row, _: row.who,
    "session": lambda row, _: row.started.session_id or "",
    "call": lambda row, _: row.started.call_id or "",
    "server": lambda row, _: row.started.server_address or "",
    "trace": lambda row, _: row.started.trace_id or "",
    "source": lambda row, _: row.started.source or "",
    "gateway": lambda row, _: row.gateway,
    "state": lambda row, now: row.state(now),
    "error": lambda row, _: _error(row.ended),
}
NUMBERS: dict[str, Callable[[Row, int], float | None]] = {
    "cost": lambda row, _: row.cost_usd,
    "ttft": lambda row, _: row.first_token_s,
    "tokens": lambda row, _: row.output_tokens,
    "rate": lambda row, now: row.tokens_per_s(now),
    "stall": lambda row, now: row.silent_s(now),
    "gap": lambda row, _: row.gap_s(0.95),
    "age": lambda row, now: row.age_s(now),
}
_EVERYWHERE = ("id", "model", "provider", "who", "session", "state", "error")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    ":": operator.eq,
}
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "k": 1000.0}

_TERM = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_PARTS = re.compile(r"(-?)(?:([a-z]+)(>=|<=|>|<|=|:))?(.*)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"\$?(\d+(?:\.\d*)?|\.\d+)(ms|s|m|k|)", re.IGNORECASE)


def compile_filter(text: str) -> Predicate:
    """Return the predicate a filter stands for; an empty one wants everything.

    Raises: FilterError.
    """
    terms = [_term(term) for term in _TERM.findall(text) if term != "-"]  # somebody is still typing
    if len(terms) == 1:
        return terms[0]
    return lambda row, now: all(term(row, now) for term in terms)


class _Parts(NamedTuple):
    negated: bool
    field: str
    comparison: str
    value: str


def _term(term: str) -> Predicate:
    found = _PARTS.fullmatch(term)
    assert found is not None  # noqa: S101 - the pattern matches anything
    sign, field, comparison, value = found.groups(default="")
    parts = _Parts(sign == "-", field.lower(), comparison, value.replace('"', ""))
    predicate = _predicate(parts, term)
    if parts.negated:
        return lambda row, now: not predicate(row, now)
    return predicate


def _predicate(parts: _Parts, term: str) -> Predicate:
    if not parts.field:
        return _anywhere(parts.value.lower())
    if parts.field in NUMBERS:
        return _number(parts, term)
    if parts.field in TEXTS and parts.comparison in (":", "="):
        return _text(parts)
    if parts.field in TEXTS:
        raise FilterError(f"{term}: {parts.field} is text; write {parts.field}:{parts.value}")
    raise FilterError(f"{term}: no field {parts.field!r}; there are {', '.join((*TEXTS, *NUMBERS))}")


def _anywhere(wanted: str) -> Predicate:
    reads = [TEXTS[name] for name in _EVERYWHERE]
    return lambda row, now: any(wanted in read(row, now).lower() for read in reads)


def _text(parts: _Parts) -> Predicate:
    read = TEXTS[parts.field]
    wanted = [value.strip().lower() for value in parts.value.split(",")]
    if parts.comparison == "=":
        return lambda row, now: read(row, now).lower() in wanted
    return lambda row, now: any(value in read(row, now).lower() for value in wanted)


def _number(parts: _Parts, term: str) -> Predicate:
    number = _NUMBER.fullmatch(parts.value)
    if number is None:
        field = parts.field
        raise FilterError(f"{term}: {field} wants a number, like {field}>2.5 or {field}<300ms")
    limit = float(number[1]) * _UNITS[number[2].lower()]
    compare, read = _COMPARISONS[parts.comparison], NUMBERS[parts.field]

    def predicate(row: Row, now: int) -> bool:
        value = read(row, now)
        return value is not None and compare(value, limit)

    return predicate
