"""Streams whose spans end up in memory."""

from __future__ import annotations

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from recording import FACTS, Recording

from otel_stream.config import Settings
from otel_stream.spans import SpanWriter
from otel_stream.transcript import Transcript

ROOT = Context()


class Written:
    """A span writer on an SDK of its own, and what it exported."""

    def __init__(self, *, logs=True, provider=None, tracing=None, **settings) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = provider or TracerProvider(**(tracing or {}))
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.log_exporter = InMemoryLogRecordExporter()
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.log_exporter))
        self.writer = SpanWriter(
            self.tracer_provider,
            Settings.from_env({}, **settings),
            logger_provider=self.logger_provider if logs else None,
        )

    def open(self, facts=FACTS, *, parent=ROOT, captured=False, **known) -> Recording:
        """Return a stream that is started, with its span open."""
        transcript = Transcript() if captured else None
        recording = Recording(facts, sinks=[self.writer], start=False, transcript=transcript, **known)
        self.writer.open(recording.stream, parent)
        recording.stream.start()
        return recording

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    @property
    def span(self):
        """The one span there is."""
        (span,) = self.spans
        return span

    @property
    def events(self):
        """Name and attributes of the span's events."""
        return [(event.name, dict(event.attributes)) for event in self.span.events]

    @property
    def names(self):
        return [event.name for event in self.span.events]

    @property
    def logs(self):
        return [data.log_record for data in self.log_exporter.get_finished_logs()]


@pytest.fixture
def written(monkeypatch):
    """Return the class, in an environment that sets no limits."""
    for name in (
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_TRACES_SAMPLER",
    ):
        monkeypatch.delenv(name, raising=False)
    return Written
