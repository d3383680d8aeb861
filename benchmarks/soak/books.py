"""The books: the provider's ledger, the counters in /metrics and the spans, and where they differ. Pure.

The ledger is the truth for how answers ended, and for the tokens and the price of whole ones. What was cut
off or left has no reported usage; there counters and spans are compared with each other.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from e2e.bills import bill  # worked out without us
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak import plan
from benchmarks.soak.collector import Span

OUTCOMES = {"whole": "completed", "incomplete": "incomplete"}
"""Word of the ledger and our outcome; other words are errors, and `gone` depends on who hung up."""

Row = tuple[str, str]


class Line(NamedTuple):
    """One thing to compare: what it should be, and what was counted."""

    what: str
    wanted: float
    counted: float

    @property
    def agrees(self) -> bool:
        """Sums of dollars are added up in different orders, so their last digits may differ."""
        return math.isclose(self.wanted, self.counted, rel_tol=1e-9, abs_tol=1e-12)


class Ledger:
    """What the provider wrote down of a series of calls, with what their callers saw."""

    def __init__(self, rows: Iterable[Row], saw: Mapping[str, str]) -> None:
        self.outcomes: dict[str, list[str]] = defaultdict(list)
        self.words: Counter[str] = Counter()
        self.requests: Counter[tuple[str, ...]] = Counter()
        self.tokens: Counter[tuple[str, ...]] = Counter()
        self.dollars = Decimal(0)
        for name, word in rows:
            self._add(plan.call(name), word, saw.get(name))

    def _add(self, call: plan.Call, word: str, saw: str | None) -> None:
        gone = "cancelled" if saw == "left" else "timeout"
        outcome = gone if word == "gone" else OUTCOMES.get(word, "error")
        model = call.recording.request["model"]
        self.words[word] += 1
        self.outcomes[call.name].append(outcome)
        self.requests[call.provider, model, outcome] += 1
        if word == "whole":
            self.dollars += bill(call.recording)  # type: ignore[no-untyped-call]
            if call.recording.usage is not None:
                self.tokens[model, "input"] += call.recording.usage.input_tokens
                self.tokens[model, "output"] += call.recording.usage.output_tokens


class Counters:
    """The counters of a /metrics page."""

    def __init__(self, page: str) -> None:
        self._samples: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                self._samples[sample.name].append((sample.labels, sample.value))

    def by(self, name: str, *labels: str, **where: str) -> Counter[tuple[str, ...]]:
        """Return sums of the samples where labels have the given values, by the values of others."""
        sums: Counter[tuple[str, ...]] = Counter()
        for found, value in self._samples[f"llm_stream_{name}"]:
            if all(found[label] == wanted for label, wanted in where.items()):
                sums[tuple(found[label] for label in labels)] += value  # type: ignore[assignment]
        return sums

    def sum(self, name: str, **where: str) -> float:
        return self.by(name, **where)[()]


def compare(ledger: Ledger, counters: Counters, spans: list[Span]) -> list[Line]:
    """Return everything that has to agree, with both numbers."""
    return [
        *_requests(ledger, counters),
        *_whole(ledger, counters, spans),
        *_against_spans(ledger, counters, spans),
        Line("streams in flight", 0, counters.sum("in_flight")),
        Line("streams stalled", 0, counters.sum("stalled")),
        Line("errors of our own", 0, counters.sum("instrumentation_errors_total")),
        Line("labels without room", 0, counters.sum("label_overflow_total")),
    ]


def _requests(ledger: Ledger, counters: Counters) -> Iterator[Line]:
    counted = counters.by("requests_total", "provider", "model", "outcome", source="upstream")
    yield Line("requests", ledger.requests.total(), counters.sum("requests_total"))
    wanted_of, counted_of = _by_last(ledger.requests), _by_last(counted)
    for outcome in sorted(wanted_of | counted_of):
        yield Line(f"requests {outcome}", wanted_of[outcome], counted_of[outcome])
    yield Line("… by model and outcome, off by", 0, _distance(ledger.requests, counted))


def _whole(ledger: Ledger, counters: Counters, spans: list[Span]) -> Iterator[Line]:
    """Tokens and dollars of answers that came whole."""
    tokens: Counter[tuple[str, ...]] = Counter()
    dollars = 0.0
    for agent in plan.FINISHING:
        where = {"agent": agent, "usage_source": "provider"}
        tokens += counters.by("tokens_total", "model", "token_type", **where)
        dollars += counters.sum("cost_usd_total", agent=agent)
    failed = sum(s.dollars or 0 for s in spans if s.agent in plan.FINISHING and s.outcome != "completed")
    wanted_of, counted_of = _by_last(ledger.tokens), _by_last(tokens)
    for kind in ("input", "output"):
        yield Line(f"{kind} tokens reported", wanted_of[kind], counted_of[kind])
    yield Line("… by model, off by", 0, _distance(ledger.tokens, tokens))
    yield Line("dollars of whole answers", float(ledger.dollars), dollars - failed)


def _against_spans(ledger: Ledger, counters: Counters, spans: list[Span]) -> Iterator[Line]:
    """Each stream has its span, and spans and counters tell the same, estimates included."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for span in spans:
        outcomes[span.call or ""].append(span.outcome or "")
    wrong = sum(
        Counter(ledger.outcomes[name]) != Counter(outcomes[name]) for name in {*ledger.outcomes, *outcomes}
    )
    yield Line("spans", sum(map(len, ledger.outcomes.values())), len(spans))
    yield Line("calls with wrong spans", 0, wrong)
    yield Line("input tokens, spans", sum(s.input_tokens or 0 for s in spans), _tokens(counters, "input"))
    yield Line("output tokens, spans", sum(s.output_tokens or 0 for s in spans), _tokens(counters, "output"))
    estimated = sum(s.output_tokens or 0 for s in spans if s.usage_source == "estimated")
    counted = counters.sum("tokens_total", token_type="output", usage_source="estimated")
    yield Line("output tokens estimated, spans", estimated, counted)
    yield Line("dollars, spans", sum(s.dollars or 0 for s in spans), counters.sum("cost_usd_total"))


def _tokens(counters: Counters, kind: str) -> float:
    return counters.sum("tokens_total", token_type=kind)


def _by_last(of: Mapping[tuple[str, ...], float]) -> Counter[str]:
    """Return the sums by the last part of the key."""
    sums: Counter[str] = Counter()
    for key, value in of.items():
        sums[key[-1]] += value  # type: ignore[assignment]
    return sums


def _distance(wanted: Mapping[tuple[str, ...], float], counted: Mapping[tuple[str, ...], float]) -> float:
    """Return by how much they differ in all, so that two mistakes do not cancel each other."""
    return sum(abs(wanted.get(key, 0) - counted.get(key, 0)) for key in {*wanted, *counted})
