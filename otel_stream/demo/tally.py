"""The demo's sums over the events it saw, and whether /metrics says the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from otel_stream.events import Completed, Ended, Error, Started, StreamEvent


class Totals(NamedTuple):
    """Sums over streams that have ended. `errors` leaves out what the caller did."""

    requests: int = 0
    completed: int = 0
    errors: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0

    def plus(self, event: Ended) -> Totals:
        return Totals(
            self.requests + 1,
            self.completed + (event.outcome == "completed"),
            self.errors + (event.outcome not in ("completed", "cancelled")),
            self.cancelled + (event.outcome == "cancelled"),
            self.input_tokens + (event.input_tokens or 0),
            self.output_tokens + (event.output_tokens or 0),
            self.dollars + (event.cost_usd or 0),
        )


class Tally:
    """Counts events: sums as a whole and by the model that was asked for, and the streams in flight."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.by_model: dict[str, Totals] = {}
        self.open: dict[str, Started] = {}

    def add(self, event: StreamEvent) -> None:
        if isinstance(event, Started):
            self.open[event.request_id] = event
        elif isinstance(event, (Completed, Error)):
            started = self.open.pop(event.request_id, None)
            model = started.model if started is not None else "unknown"
            self.totals = self.totals.plus(event)
            self.by_model[model] = self.by_model.get(model, Totals()).plus(event)


def totals_of(exposition: str) -> Totals:
    """Return the same sums as the counters of a /metrics page tell them."""
    requests: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]  # a Counter adds floats as well
            if sample.name == "llm_stream_requests_total":
                requests[sample.labels["outcome"]] += int(sample.value)
            elif sample.name == "llm_stream_tokens_total":
                tokens[sample.labels["token_type"]] += int(sample.value)
    return Totals(
        sum(requests.values()),
        requests["completed"],
        int(sums["llm_stream_errors_total"]),
        requests["cancelled"],
        tokens["input"],
        tokens["output"],
        float(sums["llm_stream_cost_usd_total"]),
    )


def differences(seen: Totals, counted: Totals) -> Mapping[str, float]:
    """Return by how much each sum of /metrics is larger than the events say; empty when they agree.

    Dollars are added up in another order there, so their last digits may differ.
    """
    pairs = zip(Totals._fields, seen, counted, strict=True)
    return {name: b - a for name, a, b in pairs if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)}
