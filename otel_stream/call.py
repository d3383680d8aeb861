"""The call context: one request to the gateway, from the server tap or `gateway_call` to the client taps.

A contextvar carries it, so that each upstream attempt knows who is asking and which call it belongs to.
A call that has ended is never attributed to: a worker task made during one request keeps its contextvars
for ever and serves others as well.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cached_property

from opentelemetry import baggage, context, propagate, trace
from opentelemetry.context import Context

from otel_stream import attribution
from otel_stream.contextvar import assign, restore
from otel_stream.events import Outcome
from otel_stream.identity import NOBODY, Who, new_id
from otel_stream.outcome import HTTP_ERROR, ending_of
from otel_stream.stream import Stream

_current: ContextVar[CallContext | None] = ContextVar("otel_stream_call", default=None)


class CallContext:
    """Who is asking, what their request came with, and the upstream streams opened for it.

    Lives from the request's arrival to the last byte of its answer. Any thread may report streams.
    """

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        given: Who = NOBODY,
        metadata: Callable[[], Mapping[str, object]] = dict,
        outer: CallContext | None = None,
        identified: bool = True,
    ) -> None:
        """`headers` has lower-case names; `metadata` is asked once, when the first stream opens.

        `outer` is the call this one refines: what is not given here is taken from there, and it counts
        this one's streams too. Without `identified`, nothing is known but what is `given`.
        """
        self.headers: Mapping[str, str] = headers or {}
        self.given = given
        self.outer = outer
        self.hung_up = False
        self.upstream_opened = 0
        """LLM calls this call made so far, streaming or not."""
        self.upstream_succeeded = 0
        """Those of them that streamed and were completed."""
        self.upstream_spoke = 0
        """Those of them that streamed some of an answer and have ended, however that was."""
        self.upstream_failed = 0
        """Those of them, streaming or not, that ended in any other way than completed."""
        self.last_outcome: Outcome | None = None
        """How its last stream ended; one that was dropped after another was completed does not count."""
        self._metadata = metadata
        self._identified = identified
        self._streams: dict[str, Stream] = {}
        self._lock = threading.RLock()  # a finalizer may run inside it
        self._ended = False
        self._here: Context | None = None
        self.look_for_parent()

    # -- who asks ----------------------------------------------------------------------------------

    @cached_property
    def who(self) -> Who:
        """Who is asking; settled when first read, which is when the first stream opens."""
        if self.outer is not None:
            found = _refined(self.outer.who, self._own)
        elif self._identified:
            found = attribution.identify(self.headers, self._baggage, self._metadata(), self.given)
        else:
            found = _refined(NOBODY, self.given)
        return Who(found.agent_type, found.tenant, found.session_id, self.call_id, self.private)

    @cached_property
    def _own(self) -> Who:
        """What this refinement says itself: of headers handed to it everything, else what is given."""
        if not self.headers:
            return self.given
        own = attribution.identify(self.headers, self._baggage, {}, self.given)
        known = own.agent_type if own.agent_type != attribution.UNKNOWN else None
        return Who(known, own.tenant, own.session_id, own.call_id, own.private)

    @cached_property
    def call_id(self) -> str | None:
        """The gateway's id of the request: given, the caller's, or ours."""
        own = attribution.clean(self.given.call_id) or attribution.call_id(self.headers)
        if own is not None:
            return own
        if self.outer is not None:
            return self.outer.call_id
        return new_id("call") if self._identified else None

    @cached_property
    def private(self) -> bool:
        """Whether the text of this call's answers stays out of every event."""
        outer = self.outer is not None and self.outer.private
        return outer or self.given.private or attribution.is_private(self.headers)

    # -- where it belongs ----------------------------------------------------------------------------

    @cached_property
    def parent(self) -> Context | None:
        """Parent for spans of this call: the span current at its start, else the caller's `traceparent`."""
        if self._here is not None:
            return self._here
        if trace.get_current_span(self._inbound).get_span_context().is_valid:
            return self._inbound
        return None if self.outer is None else self.outer.parent

    def look_for_parent(self) -> None:
        """Note the span that is current now; a server's own begins after the outermost tap has begun."""
        here = context.get_current()
        if trace.get_current_span(here).get_span_context().is_valid:
            self._here = here
            self.__dict__.pop("parent", None)

    @cached_property
    def _inbound(self) -> Context:
        """The trace context and baggage the caller sent. Extracting takes 10 µs, so not without need."""
        fields = propagate.get_global_textmap().fields
        if any(field.lower() in self.headers for field in fields):
            return propagate.extract(self.headers, context=Context())
        return Context()

    @property
    def _baggage(self) -> Mapping[str, object]:
        return baggage.get_all(self._inbound) or baggage.get_all(self._here or Context())

    # -- its streams ---------------------------------------------------------------------------------

    @property
    def upstream_open(self) -> int:
        """How many of its upstream streams (not plain calls) are open now."""
        return sum(stream.facts.streaming for stream in tuple(self._streams.values()))

    @property
    def is_covered(self) -> bool:
        """Whether an upstream stream tells this call's answer: one is open, was completed or broke off.

        What was said before it broke off may go out to the caller long after.
        """
        return self.upstream_succeeded > 0 or self.upstream_spoke > 0 or self.upstream_open > 0

    def opened(self, stream: Stream) -> None:
        """Note a stream of this call; one taken from the server tap is the call itself and not counted."""
        if stream.source == "downstream":
            return
        with self._lock:
            self.upstream_opened += 1
            self._streams[stream.request_id] = stream
        stream.hung_up = stream.hung_up or self.hung_up
        if self.outer is not None:
            self.outer.opened(stream)

    def closed(self, stream: Stream, outcome: Outcome) -> None:
        """Note how a stream ended, also long after the call did."""
        with self._lock:
            if self.last_outcome != "completed" or outcome not in ("cancelled", "abandoned"):
                self.last_outcome = outcome
            if self._streams.pop(stream.request_id, None) is None:
                return
            self._count(outcome, streamed=stream.facts.streaming, spoke=stream.chunks > 0)
        if self.outer is not None:
            self.outer.closed(stream, outcome)

    def found(self, outcome: Outcome, *, streamed: bool, spoke: bool) -> None:
        """Note an upstream stream that turned out to be this call's after it had ended."""
        with self._lock:
            self.last_outcome = outcome
            self.upstream_opened += 1
            self._count(outcome, streamed=streamed, spoke=spoke)

    def _count(self, outcome: Outcome, *, streamed: bool, spoke: bool) -> None:
        self.upstream_succeeded += outcome == "completed" and streamed
        self.upstream_spoke += spoke and streamed
        self.upstream_failed += outcome != "completed"

    # -- its end ---------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self._ended or (self.outer is not None and self.outer.ended)

    def outcome(self, status: int = 0, error: BaseException | None = None) -> Outcome | None:
        """Return how its caller saw it end, however often the gateway tried; None where it called no LLM.

        `status` is that of the answer, 0 where there is none; `error` what the gateway's code raised.
        """
        if self.last_outcome is None and not self.upstream_opened:
            return None
        if self.hung_up:
            return "cancelled"
        if error is not None:
            return "timeout" if ending_of(error) == "timeout" else "error"
        return "error" if status >= HTTP_ERROR else self.last_outcome or "completed"

    def hang_up(self) -> None:
        """The caller is gone: streams that nobody closes from now on count as cancelled."""
        self.hung_up = True
        for stream in tuple(self._streams.values()):
            stream.hung_up = True

    def end(self) -> None:
        """The call is over; only the first call counts. Streams may outlive it."""
        self._ended = True
        self._metadata = dict  # asked for by now; what it was is mostly a method of whoever holds this call
        if self.outer is None:
            for stream in tuple(self._streams.values()):
                stream.call_over = True


def _refined(who: Who, own: Who) -> Who:
    return Who(
        attribution.clean(own.agent_type) or who.agent_type,
        attribution.clean(own.tenant) or who.tenant,
        attribution.clean(own.session_id) or who.session_id,
    )


def current() -> CallContext | None:
    """Return the live call the running code works for, or None; never one that has ended.

    What a call that asked for privacy left running stays private, though it is attributed to nobody.
    """
    call = _current.get()
    if call is None or not call.ended:
        return call
    return CallContext(given=Who(private=True), identified=False) if call.private else None


def is_stale() -> bool:
    """Return whether the running code's contextvars are those of a call that has ended."""
    call = _current.get()
    return call is not None and call.ended


@contextlib.contextmanager
def entered(call: CallContext) -> Iterator[CallContext]:
    """Make `call` the current one for the block."""
    token = assign(_current, call)
    try:
        yield call
    finally:
        restore(_current, token)
