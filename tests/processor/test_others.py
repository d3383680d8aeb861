"""What is known of a stream whose span alone we see."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from otel_stream.processor.others import OtherStream


@pytest.fixture
def tracer():
    return TracerProvider().get_tracer("another")


def test_who_and_what_are_read_from_the_span(tracer):
    span = tracer.start_span(
        "chat",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.agent.name": "coder",
            "session.id": "sess-1",
            "otel_stream.request_id": "req_abc123",
            "otel_stream.tenant": "acme",
            "otel_stream.call_id": "call_1",
        },
    )

    started = OtherStream(span).started

    assert (started.request_id, started.model, started.provider) == ("req_abc123", "gpt-4o", "openai")
    assert (started.agent_type, started.session_id) == ("coder", "sess-1")
    assert (started.tenant, started.call_id) == ("acme", "call_1")
    assert started.time_unix_nano == span.start_time


def test_a_span_that_says_nothing_is_an_unknown_model(tracer):
    stream = OtherStream(tracer.start_span("x"))

    assert (stream.started.model, stream.started.operation, stream.started.provider) == (
        "unknown",
        None,
        None,
    )
    assert stream.request_id == f"req_{stream.started.span_id}"


def test_a_span_without_context_or_times_is_no_reason_to_fail():
    stream = OtherStream(ReadableSpan("x"))

    assert stream.span_id == 0
    assert stream.state().duration_s == 0


def test_its_state_counts_what_was_told_by_hand(tracer):
    span = tracer.start_span("x", start_time=1_000_000_000)
    stream = OtherStream(span)
    waiting = stream.state()
    stream.begin({"request_id": "r", "model": "m"}, 2_000_000_000)
    stream.delta({"text": "Hello"}, 2_500_000_000, with_text=True)

    state = stream.state()

    assert (waiting.phase, waiting.time_to_first_token_s) == ("waiting", None)
    assert (state.request_id, state.model, state.source, state.phase) == ("r", "m", "manual", "streaming")
    assert (state.sequence, state.chunks, state.characters) == (1, 1, 5)
    assert state.time_to_first_token_s == 0.5
    assert state.time_unix_nano == 2_000_000_000
    assert 0 < state.idle_s < state.duration_s
