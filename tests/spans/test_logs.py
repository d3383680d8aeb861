"""Events through the Logs API."""

from __future__ import annotations

from opentelemetry import trace

from otel_stream.spans.logs import EventLog


def test_an_event_stands_in_the_context_of_its_span_whatever_is_current(written):
    out = written()
    tracer = out.tracer_provider.get_tracer("app")
    span = tracer.start_span("ours")

    with tracer.start_as_current_span("somebody's"):
        EventLog(out.logger_provider).write("otel_stream.started", {"request_id": "r"}, span, 7)

    (record,) = out.logs
    assert (record.event_name, record.timestamp, record.severity_number.name) == (
        "otel_stream.started",
        7,
        "INFO",
    )
    assert record.span_id == span.get_span_context().span_id
    span.end()


def test_without_a_logger_provider_nothing_happens():
    EventLog().write("otel_stream.started", {}, trace.INVALID_SPAN, None)
