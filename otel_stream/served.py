"""One request to the gateway as the server taps see it: who asks, whether they stay, what they are told.

The server taps (ASGI, WSGI, aiohttp.web) tell what goes by. As long as an upstream stream tells the
call's answer, the bytes going out are not looked at. Where none does (cache hits, synthesised SSE, clients
in compiled code) the call becomes a stream itself, taken from what the caller gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from otel_stream._guard import guarded, guarded_step
from otel_stream.call import CallContext
from otel_stream.meaning import CallFacts, Request
from otel_stream.outcome import HTTP_ERROR, ending_of
from otel_stream.recorder import Recorder
from otel_stream.runtime import Runtime
from otel_stream.tap import Tap

MAX_BODY_BYTES = 1 << 20  # of an inbound body, kept until the answer begins; that is text of 250k tokens

_STREAMS = frozenset(("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"))
_CACHE_HEADERS = ("x-litellm-cache-key",)


class ServedCall:
    """Not thread-safe, but for `lost`. All methods are guarded, so none raises."""

    def __init__(
        self,
        ours: Runtime,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: Callable[[], bytes | None] | None = None,
    ) -> None:
        """`headers` has lower-case names; `body` gives the inbound body as far as the framework keeps it.

        Without `body` the tap tells it by `received`.
        """
        self.context = CallContext(headers, metadata=self._metadata)
        self.watching = False
        """Whether `sending` wants the bytes that go out; asked before each chunk, so it is an attribute."""
        self.reading = method == "POST" and body is None
        """Whether `received` wants the inbound body."""
        self._ours = ours
        self._method = method
        self._url = url
        self._began = time.perf_counter()
        self._kept_body = body
        self._body: list[bytes] = []
        self._body_left = MAX_BODY_BYTES
        self._head: tuple[int, Mapping[str, str]] = (0, {})
        self._status = 0
        self._is_stream = False
        self._cache_hit = False
        self._tap: Tap | None = None
        self._told_here: Tap | None = None
        """Reads the answer, once it is clear that it is told from here."""
        self._complete = False

    # -- what the server tap tells -------------------------------------------------------------------

    @guarded("served.received")
    def received(self, chunk: bytes) -> None:
        """The gateway read these bytes of the request's body."""
        self._body_left -= len(chunk)
        if self._body_left < 0:
            self._forget_body()
        elif chunk:
            self._body.append(chunk)

    @guarded("served.lost")
    def lost(self) -> None:
        """The caller went away. After the whole answer was sent that is what callers do."""
        if not self._complete:
            self.context.hang_up()

    @guarded("served.responding")
    def responding(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the answer goes out; `headers` has lower-case names."""
        self._status = status
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        self._is_stream = kind in _STREAMS
        self.watching = status < HTTP_ERROR and (self._is_stream or self._method == "POST")
        if self.watching:
            self._head = (status, headers)
            self._cache_hit = _is_cache_hit(headers, self._ours.settings.cache_hit_header)
        else:
            self._look_away()

    @guarded_step("served.sending")
    def sending(self, chunk: bytes | memoryview) -> None:
        """A part of the answer's body is about to go out."""
        data = chunk if isinstance(chunk, bytes) else bytes(chunk)  # Starlette hands memory views on
        if self._told_here is not None:
            self._told_here.feed(data)
        elif data:
            self._look_at(data)

    def _look_at(self, data: bytes) -> None:
        """Find out whether this answer has to be taken from here."""
        if not self._is_ours(data):
            self._look_away()
            return
        if self._tap is None:
            self._tap = self._new_tap()
        self._tap.feed(data)
        if self._tap.ignored:
            self._look_away()
        elif self._tap.recorder is not None:
            self._told_here = self._tap

    def complete(self) -> None:
        """The last part of the answer is about to go out."""
        self._complete = True

    @guarded("served.ended")
    def ended(self, error: BaseException | None = None) -> None:
        """The gateway is through with the request. Upstream streams may outlive it."""
        if error is not None and ending_of(error) == "cancelled":
            self.lost()
        if self._tap is not None and self._is_ours(b""):
            self._end(self._tap, error)
        self._look_away()
        if self._ours.metrics is not None:
            self._ours.metrics.call_ended(self.context, self._status, error)
        self.context.end()

    # -- becoming a stream -----------------------------------------------------------------------------

    def _is_ours(self, chunk: bytes) -> bool:
        """Whether no upstream stream tells this answer, so that it has to be taken from here.

        A failure is told by the upstream attempt that failed, and not again when the caller is told.
        """
        if self._tap is not None and self._tap.recorder is not None:
            return True
        call = self.context
        if call.is_covered or (call.upstream_opened and not self._is_stream):
            return False
        return not (call.upstream_failed and b'"error"' in chunk)

    def _new_tap(self) -> Tap:
        settings = self._ours.settings
        tap = Tap(
            self._request(),
            self._open_stream,
            lazy=True,
            is_told=lambda response_id: self._ours.orphans.claim(response_id, self.context),
            capture=settings.capture_content != "NO_CONTENT" and not self.context.private,
            began=self._began,
            max_frame_bytes=settings.max_frame_bytes,
        )
        tap.send()
        tap.responded(*self._head)
        return tap

    def _open_stream(self, facts: CallFacts, began: float | None) -> Recorder:
        stream = self._ours.open_stream(facts, source="downstream", call=self.context, started_at=began)
        self._settle(stream)
        self._forget_body()
        return stream

    def _end(self, tap: Tap, error: BaseException | None) -> None:
        if tap.recorder is not None:
            self._settle(tap.recorder)
        if self.context.hung_up:
            tap.end("cancelled", error)
        else:
            tap.end("eof" if error is None else ending_of(error), error)

    def _settle(self, stream: Recorder) -> None:
        """Tokens are counted where the provider reported them: the call's own upstream calls have theirs."""
        stream.billed = not self.context.upstream_opened
        stream.cache_hit = stream.billed and self._cache_hit

    def _look_away(self) -> None:
        self.watching = self.reading = False
        self._tap = self._told_here = None
        self._forget_body()

    # -- the inbound request -----------------------------------------------------------------------------

    def _request(self) -> Request:
        body = b"".join(self._body) if self._kept_body is None else self._kept_body()
        return Request(self._method, self._url, self.context.headers, body or None)

    def _metadata(self) -> Mapping[str, object]:
        return self._request().get("metadata", dict[str, Any]) or {}

    def _forget_body(self) -> None:
        self._kept_body = None
        self._body = []
        self._body_left = 0
        self.reading = False


def _is_cache_hit(headers: Mapping[str, str], setting: str) -> bool:
    """Return whether the gateway answered from its cache; `setting` is `name` or `name: value`."""
    if any(headers.get(name) for name in _CACHE_HEADERS):
        return True
    name, _, wanted = (part.strip().lower() for part in setting.partition(":"))
    value = headers.get(name) if name else None
    return value is not None and wanted in ("", value.strip().lower())
