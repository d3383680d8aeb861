"""Follows the spans that are not ours: which of them are streams, and what is sent for each, once.

Three kinds: another instrumentation's LLM call (`Started` at its start, the end from its attributes), a
span on which somebody calls `add_event` with our names (fanned out as it happens), and both in one.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.util import types

from otel_stream import _guard, semconv
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import Ended
from otel_stream.pricing import PriceFunction
from otel_stream.processor import attributes as read
from otel_stream.processor import endings
from otel_stream.processor.others import OtherStream
from otel_stream.processor.state import StreamState

MAX_FOLLOWED = 10_000
"""Spans followed at once, some 10 MB; beyond it the oldest is told as abandoned: it may never end."""

AddEvent = Callable[..., None]


class Follower:
    """The streams of other people's spans, by span id. Any thread may call."""

    def __init__(
        self,
        broadcaster: StreamEventBroadcaster,
        price: PriceFunction | None,
        *,
        text: bool,
        held: Callable[[], object] | None,
    ) -> None:
        """With `held`, which is then called, `Started` of other instrumentations waits for `release`."""
        self._broadcaster = broadcaster
        self._price = price
        self._text = text
        self._on_hold = held
        self._closed = False
        self.forget()

    def forget(self) -> None:
        """Forget all spans: in a forked child they are the parent's, and so may be the lock."""
        self._lock = threading.Lock()  # never held while an event is sent
        self._followed: dict[int, OtherStream] = {}
        self._held: list[OtherStream] = []
        self._held_before: list[OtherStream] = []

    # -- spans start and end ---------------------------------------------------------------------------

    def start(self, span: Span) -> None:
        """A span started: hook its `add_event`, and look whether it is an LLM call."""
        if self._closed:
            return
        bound = span.add_event
        earlier = None if isinstance(bound, MethodType) else bound
        hook = partial(self._add_event, weakref.ref(span), earlier)
        span.add_event = hook  # type: ignore[method-assign]  # the SDK tells processors of no event
        if read.is_llm_call(read.of(span)):
            self._begin(span)

    def _begin(self, span: Span) -> None:
        """Follow an LLM call. Of two instrumentations telling the same call, the outer one is followed."""
        outer = None if span.parent is None else self._followed.get(span.parent.span_id)
        if outer is not None and not outer.ended:
            self._follow(_id(span), outer)
            return
        stream = OtherStream(span)
        self._follow(stream.span_id, stream)
        if self._on_hold is None:
            self._announce(stream)
        else:
            self._held.append(stream)
            self._on_hold()

    def end(self, span: ReadableSpan) -> None:
        """A span ended: send the last event of its stream, if that is not out already."""
        stream = self._followed.pop(_id(span), None)
        if stream is None:
            if self._closed or not read.is_llm_call(read.of(span)):
                return
            stream = OtherStream(span)  # marked after its start
        if stream.span_id == _id(span) and self._announce(stream):
            self._last(stream, endings.closed(stream, span, self._price))

    # -- our events, by hand ---------------------------------------------------------------------------

    def _add_event(
        self,
        reference: weakref.ref[Span],
        earlier: AddEvent | None,
        name: str,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
    ) -> None:
        """Stand in for a span's `add_event`; what the span itself raises is the caller's."""
        span = reference()
        if span is None:
            return
        if earlier is None:
            type(span).add_event(span, name, attributes, timestamp)
        else:
            earlier(name, attributes, timestamp)
        if name in semconv.EVENTS:
            self._told(span, name, attributes, timestamp or time.time_ns())

    @_guard.guarded("processor.add_event")
    def _told(self, span: Span, name: str, attributes: types.Attributes, at: int) -> None:
        if self._closed or not span.is_recording():
            return
        fields = read.event_fields(name, attributes)
        stream = self._by_hand(span, name, fields)
        if stream.ended:
            return
        if not stream.announced:
            given = fields if name == semconv.EVENT_STARTED else {}
            stream.begin({"request_id": fields.get("request_id", stream.request_id), **given}, at)
        if not self._announce(stream):
            return
        if name == semconv.EVENT_TEXT_DELTA:
            delta = stream.delta(fields, at, with_text=self._text)
            if self._broadcaster.active:
                self._broadcaster.send(delta)
        elif name != semconv.EVENT_STARTED:
            told = {**fields, "time_unix_nano": at}
            self._last(stream, endings.told(stream, span, name, told, self._price))

    def _by_hand(self, span: Span, name: str, fields: Mapping[str, Any]) -> OtherStream:
        """Return the span's stream: a new one for its first event, and for a retry under another id."""
        stream = self._followed.get(_id(span))
        again = name == semconv.EVENT_STARTED and stream is not None and stream.ended
        if stream is None or (again and fields.get("request_id", stream.request_id) != stream.request_id):
            stream = OtherStream(span)
            self._follow(stream.span_id, stream)
        return stream

    # -- each event once -------------------------------------------------------------------------------

    def _announce(self, stream: OtherStream) -> bool:
        """Send `Started` if it is not out; return whether the stream is told here at all."""
        with self._lock:
            if stream.taken:
                return False
            out, stream.announced = stream.announced, True
        if not out:
            self._broadcaster.send(stream.started)
        return True

    def _last(self, stream: OtherStream, event: Ended) -> None:
        with self._lock:
            late, stream.ended = stream.ended, True
        if not late:
            self._broadcaster.send(event)

    def _follow(self, span_id: int, stream: OtherStream) -> None:
        lost = None
        with self._lock:
            if len(self._followed) >= MAX_FOLLOWED:
                lost = self._followed.pop(next(iter(self._followed)))
            self._followed[span_id] = stream
        if lost is not None:
            self._give_up(lost)

    def _give_up(self, stream: OtherStream) -> None:
        if stream.announced and not stream.taken:
            self._last(stream, endings.abandoned(stream))

    # -- for the processor -----------------------------------------------------------------------------

    def take_over(self, context: Context | None) -> str | None:
        """Leave the call that is current in `context` to a stream of ours.

        Returns the id under which its `Started` is out already; None when it is not.
        """
        span = trace.get_current_span(context)
        parent = getattr(span, "parent", None)  # an HTTP instrumentation's span may stand between
        for span_id in (span.get_span_context().span_id, 0 if parent is None else parent.span_id):
            stream = self._followed.get(span_id)
            if stream is not None:
                return self._take(stream)
        if isinstance(span, Span) and read.is_llm_call(read.of(span)):  # marked after its start
            stream = OtherStream(span)
            self._follow(stream.span_id, stream)
            return self._take(stream)
        return None

    def _take(self, stream: OtherStream) -> str | None:
        with self._lock:
            if stream.taken or stream.ended:
                return None
            stream.taken = True
            return stream.request_id if stream.announced else None

    def release(self) -> None:
        """Announce what was held since before the last call; what is held is held one to two rounds."""
        due, self._held_before, self._held = self._held_before, self._held, []
        for stream in due:
            if not stream.ended:
                self._announce(stream)

    def states(self) -> list[StreamState]:
        """Return the streams subscribers were told of and that have not ended."""
        return [
            stream.state()
            for span_id, stream in list(self._followed.items())
            if stream.span_id == span_id and stream.announced and not stream.ended and not stream.taken
        ]

    def close(self) -> None:
        """Tell the ends of all streams and follow no more."""
        self._closed = True
        for stream in list(self._followed.values()):
            self._give_up(stream)
        self.forget()


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return 0 if context is None else context.span_id
