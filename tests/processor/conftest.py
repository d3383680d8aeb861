"""A processor on a provider of its own, and everything subscribers are told."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.processor import StreamSpanProcessor


class Watched:
    """`tracer` is an application's own; `told` is every event in order, deltas too."""

    def __init__(self, *, broadcaster=None, deltas=True, tracing=None, **options) -> None:
        self.processor = StreamSpanProcessor(broadcaster or StreamEventBroadcaster(), **options)
        self.told = []
        self.processor.broadcaster.add_listener(self.told.append, deltas=deltas)
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**(tracing or {}))
        self.provider.add_span_processor(self.processor)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("some.gateway")

    @property
    def kinds(self):
        return [type(event).__name__ for event in self.told]


@pytest.fixture
def watch():
    made = []

    def make(**options):
        made.append(Watched(**options))
        return made[-1]

    yield make
    for watched in made:
        watched.processor.shutdown()
