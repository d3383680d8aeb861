"""What the client taps share: from a request of the host's to a tap, and the trace context sent along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from fnmatch import fnmatchcase
from functools import cached_property

from opentelemetry import propagate, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_stream import runtime
from otel_stream._guard import guarded
from otel_stream.meaning import Request
from otel_stream.reaper import REAPER
from otel_stream.riding import is_riding
from otel_stream.tap import Tap


@guarded("tap.begin")
def begin(request: Request, outgoing: MutableMapping[str, str]) -> Tap | None:
    """Return the tap for a request that is about to go out, or None when it is none of our business.

    The trace context is put into `outgoing`, headers of the request, where its host may have it.
    """
    ours = runtime.current()
    if ours is None or is_riding():
        return None
    tap = ours.tap(request)
    if tap is None:
        return None
    REAPER.ready()
    if tap.recorder is not None and is_listed(request.host, ours.settings.propagate_hosts):
        inject(tap, request, outgoing)
    return tap


class LateRequest(Request):
    """A request whose body is made only when somebody asks for it: most requests are none of ours."""

    def __init__(
        self, method: str, url: str, headers: Mapping[str, str], make_body: Callable[[], bytes | None]
    ) -> None:
        super().__init__(method, url, headers)
        del self.body  # so that the property below answers
        self._make_body = make_body

    @cached_property
    def body(self) -> bytes | None:  # type: ignore[override]
        return self._make_body()


class Held:
    """A stream whose request was redirected: taken up by the next hop, or ended when there is none."""

    def __init__(self, tap: Tap) -> None:
        self._tap: Tap | None = tap

    def take(self) -> Tap | None:
        """Return the tap, once."""
        tap, self._tap = self._tap, None
        return tap

    def __del__(self) -> None:
        if self._tap is not None:
            REAPER.drop(self._tap)


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern names the host; `*` stands for any characters, as in `*.internal`."""
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)


def inject(tap: Tap, request: Request, outgoing: MutableMapping[str, str]) -> None:
    """Send the stream's own span along as parent, unless somebody has sent a trace context already."""
    if tap.recorder is None or "traceparent" in request.headers:
        return
    of_stream = tap.recorder.trace
    if of_stream.trace_id is None or of_stream.span_id is None:
        return
    span = NonRecordingSpan(
        SpanContext(
            int(of_stream.trace_id, 16),
            int(of_stream.span_id, 16),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if of_stream.sampled else TraceFlags.DEFAULT),
        )
    )
    propagate.inject(outgoing, context=trace.set_span_in_context(span))
