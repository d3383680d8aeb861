"""Which series a stream counts on: its label values, found once at its start, and zeros to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from otel_stream.events import OUTCOMES, Started
from otel_stream.identity import Who
from otel_stream.metrics.errors import ERROR_TYPES
from otel_stream.metrics.instruments import Instruments
from otel_stream.metrics.labels import MAX_LABEL_SETS, OTHER, Children
from otel_stream.pricing import MISSING_RATE, UNKNOWN_MODEL

MAX_SAID = 1024  # characters of names that are remembered as they came, before they are cut


class Series(NamedTuple):
    """The label values of a stream, in the order of `instruments.CORE`, `PAIR` and `WHO`."""

    core: tuple[str, str, str]
    pair: tuple[str, str]
    who: tuple[str, str, str, str]
    source: str


Said = tuple[str | None, ...]


class SeriesTable:
    """Turns what a stream says of itself into bounded label values; makes each series at 0 when it is new.

    `rate()` does not see a counter that is born at 1.
    """

    def __init__(self, to: Instruments, attribution: frozenset[str]) -> None:
        """`attribution` names the labels of who is asking that get values: agent, tenant."""
        self._to = to
        self._agent = "agent" in attribution
        self._tenant = "tenant" in attribution
        self._known: dict[Said, Series] = {}

    def of(self, event: Started) -> Series:
        """Return the series of a stream that starts like this."""
        said = (
            event.provider,
            event.model,
            event.operation,
            event.agent_type if self._agent else None,
            event.tenant if self._tenant else None,
            event.source,
        )
        return self._known.get(said) or self._new(said)

    def asker(self, who: Who) -> tuple[str, str]:
        """Return the labels agent and tenant of a call."""
        agent, tenant = who.agent_type if self._agent else None, who.tenant if self._tenant else None
        admit = self._to.values.admit
        asker = admit("agent", agent), admit("tenant", tenant)
        for outcome in OUTCOMES:
            series = (*asker, outcome)
            self._to.calls[series]
        return asker

    def _new(self, said: Said) -> Series:
        admit = self._to.values.admit
        labels = ("provider", "model", "operation", "agent", "tenant")
        provider, model, operation, agent, tenant = map(admit, labels, said)
        series = Series(
            (provider, model, operation),
            (provider, model),
            (provider, model, agent, tenant),
            said[-1] or "upstream",
        )
        for children, values in _zeros(self._to, series):
            children[values]
        # Overflow is counted each time; what is remembered has a bound in number and in size.
        overflow = OTHER in (*series.core, *series.who)
        if (
            not overflow
            and len(self._known) < MAX_LABEL_SETS
            and len("".join(filter(None, said))) <= MAX_SAID
        ):
            self._known[said] = series
        return series


def _zeros(to: Instruments, series: Series) -> Iterator[tuple[Children[Any], tuple[str, ...]]]:
    core, pair, who, source = series
    for outcome in OUTCOMES:
        yield to.requests, (*core, outcome, source)
    for error_type in ERROR_TYPES:
        yield to.errors, (*core, error_type)
    for token_type in ("input", "output"):
        yield to.tokens, (*who, token_type, "provider", source)
    for detail in ("cache_read", "cache_write", "reasoning"):
        yield to.token_details, (*who, detail, "provider", source)
    yield to.cost, (*who, "price_table", source)
    for reason in (UNKNOWN_MODEL, MISSING_RATE):
        yield to.unpriced, (*pair, reason)
    yield to.usage_missing, (*pair, "completed")
    yield to.stalls, pair
    yield to.stalled, pair
    yield to.time_to_first_token, core
    yield to.time_per_output_chunk, core
    yield to.time_per_output_token, core
    yield to.duration, (*core, "completed")
