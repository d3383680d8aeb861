"""The instrumented process of a test: what its streams told, as events and as spans."""

from __future__ import annotations

import contextlib
import gc
import threading

from opentelemetry.sdk.resources import Resource
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
        self.streams = {}
        """The streams that ended, by request id."""
        self._exporter = exporter
        self._news = threading.Condition()
        ours.broadcaster.add_listener(self._on_event, deltas=True)

    def _on_event(self, event):
        with self._news:
            self.events.append(event)
            if isinstance(event, Completed | Error):
                self.streams[event.request_id] = self.runtime.processor.find(event.request_id)
            self._news.notify_all()

    def until(self, ended):
        """Wait until so many streams have ended; in a server that may be after the caller got everything.

        Frameworks leave generators of callers who hung up to the garbage collector, so it is kept going.
        """
        with self._news:
            for _ in range(600):
                if self._news.wait_for(lambda: len(self.ended) >= ended, 0.05):
                    return self
                gc.collect()
        raise AssertionError(f"{len(self.ended)} of {ended} streams have ended: {self.events}")

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
    provider, exporter = TracerProvider(resource=Resource.get_empty()), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    options = {"prometheus": False, "tracer_provider": provider} | settings
    instrumentor = StreamInstrumentor()
    instrumentor.instrument(**options)
    try:
        yield Watched(runtime.current(), exporter)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
