"""The span processor, tracing's live side. It tells subscribers what happens and knows what is in flight.

Streams of ours come through it as a sink, sampled or not; streams of other GenAI instrumentations, and spans
on which somebody calls `add_event` with our names, come through the SDK's hooks. Add it to a TracerProvider.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_stream import _guard, semconv
from otel_stream.broadcaster import Receiver, StreamEventBroadcaster
from otel_stream.events import Ended, Started
from otel_stream.pricing import PriceFunction
from otel_stream.processor.follow import MAX_FOLLOWED, Follower
from otel_stream.processor.state import Phase, StreamState, state_of
from otel_stream.stream import Stream
from otel_stream.watch import Watch

if TYPE_CHECKING:
    from otel_stream.recorder import Recorder

__all__ = ["MAX_FOLLOWED", "MAX_STREAMS", "Phase", "StreamSpanProcessor", "StreamState"]

MAX_STREAMS = 10_000
"""Streams of ours in the registry, 3 to 8 KiB each; beyond it the oldest is not in snapshots any more."""

HOLD_SECONDS = 0.5  # an instrumentation's span starts right before its request; this is generous


class StreamSpanProcessor(SpanProcessor):
    """Owns the broadcaster and the registry of streams in flight. Its hooks never raise; any thread may call.

    Only recorded spans reach a processor: what a sampler drops is seen where it is a stream of ours, not
    where it is another instrumentation's, or somebody's who uses the API alone.
    """

    def __init__(
        self,
        broadcaster: StreamEventBroadcaster | None = None,
        *,
        price: PriceFunction | None = None,
        text: bool = True,
        hold: bool = False,
    ) -> None:
        """`price` prices other people's spans and what is in flight; None leaves them without a cost.

        `text` False keeps the text of events told by hand from subscribers. `hold` is for a process with
        taps: `Started` of another instrumentation waits half a second or more for `take_over`, so that
        a call both of us see is told once.
        """
        self.broadcaster = broadcaster or StreamEventBroadcaster()
        self._owned = broadcaster is None
        self._price = price
        self._watch = Watch(self._release, HOLD_SECONDS)
        self._follower = Follower(self.broadcaster, price, text=text, held=self._watch.wake if hold else None)
        self._lock = threading.Lock()  # never held while an event is sent
        self._streams: dict[str, Stream] = {}
        self._told: set[str] = set()
        _forget_after_fork(self)

    # -- streams of ours -------------------------------------------------------------------------------

    def started(self, event: Started, stream: Stream) -> None:
        """Register the stream and tell subscribers."""
        with self._lock:
            if len(self._streams) >= MAX_STREAMS:
                del self._streams[next(iter(self._streams))]
            self._streams[event.request_id] = stream
            told = event.request_id in self._told
            self._told.discard(event.request_id)
        if not told:
            self.broadcaster.send(event)

    def ended(self, event: Ended, stream: Stream) -> None:
        """Tell subscribers, who may still look the stream up, then forget it."""
        with self._lock:
            self._streams[event.request_id] = stream
        try:
            self.broadcaster.send(event)
        finally:
            with self._lock:
                if self._streams.get(event.request_id) is stream:
                    del self._streams[event.request_id]

    def take_over(self, context: Context | None = None) -> str | None:
        """Say that a stream of ours is about to tell the call whose span is current in `context`.

        If that is another instrumentation's, nothing more is sent for its span. Returns the request id our
        stream has to take because `Started` is out under it already; None when ours is as good as any.
        """
        request_id = self._follower.take_over(context)
        if request_id is not None:
            with self._lock:
                self._told.add(request_id)
        return request_id

    # -- who is in flight ------------------------------------------------------------------------------

    def find(self, request_id: str) -> Recorder | None:
        """Return the stream of ours in flight with this id; a listener told its end still finds it."""
        return cast("Recorder | None", self._streams.get(request_id))

    def streams(self) -> list[Recorder]:
        """Return the streams of ours in flight, oldest first."""
        return cast("list[Recorder]", list(self._streams.values()))

    def snapshot(self) -> list[StreamState]:
        """Return how far each stream in flight came, ours and others'."""
        return [state_of(stream, self._price) for stream in self.streams()] + self._follower.states()

    def subscribe(self, *, snapshot: bool = True, **options: Any) -> tuple[list[StreamState], Receiver]:
        """Return the streams in flight, and a receiver of all that follows; `options` are the broadcaster's.

        Nothing falls between the two. What is in both is told by `sequence`: an event numbered no higher
        than its stream's state is in that state already. Without `snapshot` the list is empty.
        """
        receiver = self.broadcaster.subscribe(**options)
        return (self.snapshot() if snapshot else []), receiver

    # -- the SDK's hooks -------------------------------------------------------------------------------

    @_guard.guarded("processor.on_start")
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Follow the span if it is not ours. What is raised here would reach the application."""
        if not _is_ours(span):
            self._follower.start(span)

    @_guard.guarded("processor.on_end")
    def on_end(self, span: ReadableSpan) -> None:
        """Tell how the stream of a span that is not ours ended."""
        if not _is_ours(span):
            self._follower.end(span)

    @_guard.guarded("processor.shutdown")
    def shutdown(self) -> None:
        """Tell other people's streams as abandoned. Closes the broadcaster only if nobody gave it to us."""
        self._watch.stop()
        self._follower.close()
        if self._owned:
            self.broadcaster.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - nothing waits
        """Announce what is held back; returns True."""
        self._release()
        self._release()
        return True

    @_guard.guarded("processor.release")
    def _release(self) -> None:
        self._follower.release()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._streams = {}
        self._told = set()
        self._watch.restart()
        self._follower.forget()


def _is_ours(span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope
    return scope is not None and scope.name == semconv.SCOPE_NAME


def _forget_after_fork(processor: StreamSpanProcessor) -> None:
    """Let a forked child begin without its parent's streams; holds the processor weakly."""
    reference = weakref.WeakMethod(processor._forget)  # noqa: SLF001 - ours

    def forget() -> None:
        found = reference()
        if found is not None:
            found()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
