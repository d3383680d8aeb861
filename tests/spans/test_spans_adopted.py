"""A call whose span another instrumentation opened: enriched, and otherwise its own affair."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from recording import Recording

from otel_stream.identity import Trace
from otel_stream.meaning import Failure, Usage

THEIRS = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "theirs", "gen_ai.usage.input_tokens": 1}


def adopted(out, span):
    """Return a stream told on somebody else's span."""
    recording = Recording(sinks=[out.writer], start=False)
    out.writer.adopt(recording.stream, span)
    recording.stream.start()
    return recording


@pytest.fixture
def theirs(written):
    """Return what writes, and a span of another instrumentation that is open."""

    def make(**settings):
        out = written(**settings)
        return out, out.tracer_provider.get_tracer("another").start_span("theirs", attributes=THEIRS)

    return make


def test_an_adopted_span_gets_what_it_lacks_and_keeps_what_it_has(theirs):
    out, span = theirs()
    recording = adopted(out, span)
    recording.read("Hello")
    recording.stream.usage(Usage(100, 20))
    recording.stream.done()

    recording.end()
    still_open = span.is_recording()
    span.end()

    assert still_open
    assert out.span.name == "theirs"
    assert out.names == ["otel_stream.started", "otel_stream.text_delta", "otel_stream.completed"]
    attributes = out.span.attributes
    assert {name: attributes[name] for name in THEIRS} == THEIRS
    assert attributes["gen_ai.usage.output_tokens"] == 20
    assert attributes["otel_stream.outcome"] == "completed"


def test_the_stream_has_the_ids_of_the_span_it_adopted(theirs):
    out, span = theirs()

    recording = adopted(out, span)

    own = span.get_span_context()
    expected = Trace(trace.format_trace_id(own.trace_id), trace.format_span_id(own.span_id), True)
    assert recording.stream.trace == expected
    recording.end()
    span.end()


def test_the_status_of_an_adopted_span_is_not_ours_to_set(theirs):
    out, span = theirs()
    recording = adopted(out, span)
    recording.stream.error(Failure("overloaded_error", None, "later"))

    recording.end()
    span.end()

    assert out.span.status.status_code is StatusCode.UNSET
    assert "error.type" not in out.span.attributes
    assert out.names == ["otel_stream.started", "otel_stream.error"]


@pytest.mark.parametrize("events", ["log", "none"])
def test_an_adopted_span_gets_no_events_where_they_go_elsewhere(theirs, events):
    out, span = theirs(events=events)

    adopted(out, span).end()
    span.end()

    assert out.names == []
    assert [record.event_name for record in out.logs] == (
        ["otel_stream.started", "otel_stream.error"] if events == "log" else []
    )


def test_a_span_that_ended_before_its_stream_is_left_as_it_was(theirs, caplog):
    out, span = theirs()
    recording = adopted(out, span)
    span.end()

    recording.end()

    assert out.names == ["otel_stream.started"]
    assert "otel_stream.outcome" not in out.span.attributes
    assert caplog.records == []
    assert (out.writer._open, out.writer._lent) == ({}, set())
