"""Traces, metrics and log-based events through a real collector process, and what conventions say of them."""

from __future__ import annotations

import json

import pytest
from e2e import conventions
from e2e.otlp import attributes
from e2e.processes import until

pytestmark = pytest.mark.e2e

CONVENTIONAL = {name for name in conventions.METRICS if "cache_write" not in name and "reasoning" not in name}
"""Metrics that a minute of the demo is sure to have."""


@pytest.fixture(params=["grpc", "http"])
def received(request):
    """What came through the collector by each of its two doors."""
    at = request.getfixturevalue("monitored" if request.param == "grpc" else "counted")
    found = at.received
    until(lambda: len(found.ours("spans")) > 20 and found.ours("logs"), "spans and logs", 60)
    until(lambda: {m.name for m in found.ours("metrics")} >= CONVENTIONAL, "metrics", 60)
    return found


def test_every_span_keeps_the_conventions(received):
    problems = {
        (span.name, problem) for span in received.ours("spans") for problem in conventions.span_problems(span)
    }

    assert problems == set()


def test_every_metric_keeps_the_conventions(received):
    conventional = [metric for metric in received.ours("metrics") if metric.name.startswith("gen_ai.")]
    problems = {
        (metric.name, problem) for metric in conventional for problem in conventions.metric_problems(metric)
    }

    assert problems == set()


def test_our_only_metric_of_our_own_is_the_cost(received):
    own = {
        metric.name: metric for metric in received.ours("metrics") if not metric.name.startswith("gen_ai.")
    }

    assert set(own) == {"otel_stream.cost"}
    assert (own["otel_stream.cost"].unit, own["otel_stream.cost"].sum.is_monotonic) == ("USD", True)


def test_streams_are_told_by_span_events_and_by_log_events_of_the_same_trace(received):
    def complete():
        spans = {span.span_id: span for span in received.ours("spans")}
        told = {}
        for record in received.ours("logs"):
            name = record.event_name or attributes(record).get("event.name")
            told.setdefault(record.span_id, []).append((name, record.trace_id))
        both = [(spans[span_id], names) for span_id, names in told.items() if span_id in spans]
        return [pair for pair in both if any(name.endswith(("completed", "error")) for name, _ in pair[1])]

    for span, told in until(complete, "streams with a span and an end in the log"):
        events = [event.name for event in span.events]
        assert events[0] == "otel_stream.started"
        assert events[-1] in ("otel_stream.completed", "otel_stream.error", "exception")
        assert {trace_id for _, trace_id in told} == {span.trace_id}
        assert {name for name, _ in told} <= {*events, "gen_ai.client.operation.exception"}


def test_no_text_of_prompts_or_answers_leaves_the_gateway_unasked(received):
    kept = json.dumps([attributes(item) for kind in ("spans", "logs") for item in received.ours(kind)])

    assert "Say hello" not in kept
    assert "gen_ai.output.messages" not in kept
