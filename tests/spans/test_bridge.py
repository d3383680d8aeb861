"""The bridge from log-based events to span events, rule by rule of the specification.

https://github.com/open-telemetry/opentelemetry-specification/blob/main/specification/logs/sdk.md
"""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from otel_stream.spans.bridge import EventToSpanEventProcessor


@pytest.fixture
def span():
    return TracerProvider().get_tracer("app").start_span("s")


@pytest.fixture
def provider():
    made = LoggerProvider()
    made.add_log_record_processor(EventToSpanEventProcessor())
    return made


def emit(provider, span, **record):
    context = trace.set_span_in_context(span, Context())
    provider.get_logger("app").emit(context=context, **record)


def test_an_event_becomes_exactly_one_span_event(provider, span):
    emit(provider, span, event_name="gen.chunk", attributes={"length": 3}, timestamp=7, observed_timestamp=9)

    assert [(event.name, dict(event.attributes), event.timestamp) for event in span.events] == [
        ("gen.chunk", {"length": 3}, 7)
    ]


def test_without_a_time_of_its_own_it_has_the_observed_one(provider, span):
    emit(provider, span, event_name="gen.chunk", observed_timestamp=9)

    assert [event.timestamp for event in span.events] == [9]


@pytest.mark.parametrize("record", [{"body": "a plain log line"}, {"event_name": "", "body": "x"}])
def test_a_record_without_an_event_name_is_none(provider, span, record):
    emit(provider, span, **record)

    assert span.events == ()


def test_a_span_that_ended_gets_nothing(provider, span):
    span.end()

    emit(provider, span, event_name="gen.chunk")

    assert span.events == ()


def test_outside_a_span_nothing_happens(provider):
    emit(provider, trace.INVALID_SPAN, event_name="gen.chunk")


def test_the_record_goes_on_down_the_pipeline(provider, span):
    exporter = InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))

    emit(provider, span, event_name="gen.chunk")

    assert [data.log_record.event_name for data in exporter.get_finished_logs()] == ["gen.chunk"]
    assert provider.force_flush()
    provider.shutdown()
