"""The runtime: everything of one process wired together. Taps open streams here; all else is fed from here.

taps, gateway API ─▶ Runtime.open_stream ─▶ Recorder ─▶ processor (live, counters), spans, OTel metrics
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider

from otel_stream import call as calls
from otel_stream import foreign
from otel_stream._guard import guard, guarded
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.call import CallContext
from otel_stream.config import Settings
from otel_stream.events import Ended, Source, Started
from otel_stream.identity import NOBODY
from otel_stream.meaning import CallFacts, Request
from otel_stream.metrics.otel import ClientMetrics
from otel_stream.orphans import Orphans
from otel_stream.pricing import Pricer
from otel_stream.processor import StreamSpanProcessor
from otel_stream.recorder import Recorder
from otel_stream.services import Services
from otel_stream.spans import SpanWriter
from otel_stream.stream import Policy, Sink, Stream
from otel_stream.tap import Tap
from otel_stream.transcript import Transcript
from otel_stream.watch import Watch

_METHODS = frozenset({"POST", "GET"})
QUIET_SECONDS = 1.0  # a stream that is settled and silent for so long has ended, though nobody closes it

FLUSH_MILLISECONDS = 3000  # per provider at the server's shutdown; Kubernetes waits 30 s before it kills


class Runtime:
    """What one process needs to record its streams. Made by `start`, found by `current`."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        registry: Any = None,
        status: Callable[[], bytes] | None = None,
    ) -> None:
        """Providers that are None are the global ones; `registry` None is prometheus_client's own.

        `status` tells of this process what the live endpoint answers at `/status`; None: no such path.

        Raises: SettingError for a price file or a target of `tail` that cannot be used.
        """
        self.settings = settings or Settings()
        pricer = Pricer(self.settings.prices)
        pricer.preload()
        self.processor = StreamSpanProcessor(
            StreamEventBroadcaster(self.settings.capacity),
            price=pricer.price,
            text=self.settings.text,
            hold=self.settings.foreign_spans != "skip",
        )
        self.spans = SpanWriter(tracer_provider, self.settings)
        self.client_metrics = ClientMetrics(meter_provider, self.settings)
        self._policy = Policy(
            estimate_usage=self.settings.estimate_usage,
            stall_seconds=self.settings.stall_seconds,
            text=self.settings.text,
            price=pricer.price,
        )
        self.orphans = Orphans()
        """The upstream streams of no call; the server tap looks for its own among them."""
        self._sinks: tuple[Sink, ...] = (self.processor, self.spans, self.client_metrics)
        self._captures = self.settings.capture_content != "NO_CONTENT"
        self.requests = 0
        """Requests to anywhere that went through a client tap, for `otel-stream doctor`."""
        self.opened = 0
        """Those, and calls of the gateway's, that turned out to be streams."""
        self._services = Services(self.settings, self.processor, registry=registry, status=status)
        self.metrics = self._services.metrics
        self.live_server = self._services.live_server
        self._watch = Watch(self._look_over)
        if self.metrics is not None and self.metrics.waits:
            self._watch.wake()
        self._given = tracer_provider
        self._providers = (self.tracer_provider, meter_provider or metrics.get_meter_provider())
        self._attach(self.tracer_provider)

    @property
    def tracer_provider(self) -> trace.TracerProvider:
        """Where spans go: what was given, else the global one of now."""
        return self._given or trace.get_tracer_provider()

    @property
    def broadcaster(self) -> StreamEventBroadcaster:
        """Where in-process subscribers get the events of all streams, live."""
        return self.processor.broadcaster

    # -- streams -----------------------------------------------------------------------------------

    def tap(self, request: Request, *, lazy: bool = False, call: CallContext | None = None) -> Tap | None:
        """Return a tap for an exchange that may be an LLM call, already told that the request goes out.

        None for everything that is surely none of ours, and where somebody suppressed instrumentation.
        `lazy` is for the server tap: the stream opens when something recognised goes out.
        """
        if request.method not in _METHODS or foreign.suppressed():
            return None
        if not lazy:
            self.requests += 1
            if foreign.covered(self.settings.foreign_spans):
                return None
        source: Source = "downstream" if lazy else "upstream"

        def open_stream(facts: CallFacts, began: float | None) -> Recorder:
            return self.open_stream(facts, source=source, call=call, started_at=began)

        tap = Tap(
            request,
            open_stream,
            lazy=lazy,
            capture=self._captures,
            began=self._policy.clock(),
            max_frame_bytes=self.settings.max_frame_bytes,
        )
        tap.send()
        return tap

    def open_stream(
        self,
        facts: CallFacts,
        *,
        source: Source = "upstream",
        call: CallContext | None = None,
        started_at: float | None = None,
        request_id: str | None = None,
        transcript: Transcript | None = None,
    ) -> Recorder:
        """Return the recorder of a new stream, started; whoever opens it must see to its `end`.

        `call` defaults to the live call of the running code. `started_at` is by `time.perf_counter`.
        """
        self.opened += 1
        call = call or calls.current()
        other = trace.get_current_span() if source == "upstream" else trace.INVALID_SPAN
        if source == "upstream":
            request_id = self.processor.take_over() or request_id
        who = NOBODY if call is None else call.who
        if transcript is None and self._captures and not who.private:
            transcript = Transcript()
        owner: Sink = self.orphans if call is None else _CallSink(call)
        recorder = Recorder(
            facts,
            broadcaster=self.broadcaster,
            sinks=(*self._sinks, owner),
            who=who,
            source=source,
            policy=self._policy,
            request_id=request_id,
            transcript=transcript,
            started_at=started_at,
        )
        if call is not None:
            call.opened(recorder)
        if self.settings.foreign_spans == "enrich" and foreign.is_genai(other):
            self.spans.adopt(recorder, other)
        else:
            self.spans.open(recorder, _parent(call))
        self._watch.wake()
        if self._services.tail_waits:
            with guard("tail"):
                self._services.start_tail()
        recorder.start()
        return recorder

    # -- what runs beside the streams ----------------------------------------------------------------

    def _attach(self, provider: trace.TracerProvider) -> None:
        """Have other instrumentations' spans told to the processor, where there is an SDK to tell them."""
        add = getattr(provider, "add_span_processor", None)
        if add is not None:
            add(self.processor)

    @guarded("watch")
    def _look_over(self) -> None:
        """About once a second: count the stalled, end those that fell silent or were left unclosed."""
        streams = self.processor.streams()
        if self.metrics is not None:
            self.metrics.watch(streams)
        for stream in streams:
            if stream.call_over and stream.idle_s > QUIET_SECONDS and stream.read_rest is not None:
                stream.read_rest()
            limit = QUIET_SECONDS if stream.is_settled else self.settings.idle_seconds
            if stream.idle_s > limit:
                stream.end("abandoned")

    def restart(self) -> None:
        """Begin anew in a forked child, which has none of its parent's threads, nor its streams."""
        self.orphans = Orphans()
        self._watch.restart()
        self._services.forked()

    @guarded("flush")
    def flush(self) -> None:
        """Have what the SDK holds back exported now; a collector that does not answer costs a few seconds."""
        for provider in self._providers:
            force_flush = getattr(provider, "force_flush", None)
            if force_flush is not None:
                force_flush(FLUSH_MILLISECONDS)

    def shutdown(self) -> None:
        """End what is still open as abandoned, stop threads and servers. Only the first call counts."""
        self._watch.stop()
        for stream in self.processor.streams():
            with guard("shutdown"):
                stream.end("abandoned")
        self._services.close()
        self.client_metrics.shutdown()
        self.processor.shutdown()
        self.broadcaster.close()


class _CallSink:
    """Tells a call how its streams end."""

    def __init__(self, call: CallContext) -> None:
        self._call = call

    def started(self, event: Started, stream: Stream) -> None:
        """The call was told when the stream was opened."""

    def ended(self, event: Ended, stream: Stream) -> None:
        self._call.closed(stream, event.outcome)


def _parent(call: CallContext | None) -> Context | None:
    """The running code's span if it has one, else the call's: gateways without server spans have one too.

    A worker keeps the contextvars of the request that began it; a span long ended is nobody's parent.
    """
    span = trace.get_current_span()
    if calls.is_stale() and not span.is_recording():
        return Context()
    if call is None or span.get_span_context().is_valid:
        return None
    return call.parent


_lock = threading.Lock()
_runtime: Runtime | None = None


def current() -> Runtime | None:
    """Return the process's runtime, or None while nothing is instrumented."""
    return _runtime


def start(settings: Settings | None = None, **providers: Any) -> Runtime:
    """Make the process's runtime, or return the one there is."""
    global _runtime  # noqa: PLW0603 - one per process
    with _lock:
        if _runtime is None:
            _runtime = Runtime(settings, **providers)
        return _runtime


def stop() -> None:
    """Shut the process's runtime down, if there is one."""
    global _runtime
    with _lock:
        runtime, _runtime = _runtime, None
    if runtime is not None:
        runtime.shutdown()


def _restart_in_child() -> None:
    if _runtime is not None:
        _runtime.restart()


os.register_at_fork(after_in_child=_restart_in_child)
