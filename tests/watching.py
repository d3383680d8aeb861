"""The instrumented process of a test: what its streams told, as events and as spans."""

from __future__ import annotations

import contextlib
import gc

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_stream import runtime
from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.instrumentation import StreamInstrumentor
from otel_stream.reaper import REAPER


class Watched:
    """What was recorded, in order. Counts and outcomes are per stream, in order of their start."""

    def __init__(self, ours, exporter):
        self.runtime = ours
        self.events = []
        self._exporter = exporter
        ours.broadcaster.add_listener(self.events.append, deltas=True)

    @property
    def spans(self):
        return self._exporter.get_finished_spans()

    @property
    def started(self):
        return [event for event in self.events if isinstance(event, Started)]

    @property
    def ended(self):
        return [event for event in self.events if isinstance(event, Completed | Error)]

    @property
    def outcomes(self):
        """The outcome of every stream; None for one still open."""
        ends = {}
        for event in self.ended:
            assert event.request_id not in ends, "two terminal events"
            ends[event.request_id] = event.outcome
        return [ends.get(event.request_id) for event in self.started]

    @property
    def text(self):
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    def settle(self):
        """Let the garbage collector and the reaper do their work."""
        gc.collect()
        assert REAPER.flush()


@contextlib.contextmanager
def watching(**settings):
    """Instrument the process for the block."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    options = {"prometheus": False, "tracer_provider": provider} | settings
    instrumentor = StreamInstrumentor()
    instrumentor.instrument(**options)
    try:
        yield Watched(runtime.current(), exporter)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
