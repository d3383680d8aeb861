"""The tap: one HTTP exchange, its bytes on the way to the host, their meaning on the way to a recorder.

    bytes ─▶ decompress ─▶ framing ─▶ wire format ─▶ recorder

Sans-IO: an instrumentation tells it what went by; it never touches the host's objects. Every public
method is guarded, so none raises. An exchange that turns out to be no LLM call leaves no trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from otel_stream import wire
from otel_stream._guard import guarded, skipped
from otel_stream.decompress import Decompress, Undecodable, decompressor
from otel_stream.framing import DEFAULT_MAX_FRAME_BYTES
from otel_stream.framing.sse import SSEDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Request, read_failure
from otel_stream.recorder import Ending, Recorder

SNIFFED_FRAMES = 4  # frames looked at before an unknown stream is left alone; some begin with a ping
MAX_ERROR_BYTES = 64 << 10  # of an error body; providers' are below 4 KiB
MAX_PREFIX_BYTES = 16  # enough to tell the framings apart when the content type does not

_PROVIDER_IDS = (
    "x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-generation-id",
    "llm_provider-x-request-id", "x-ms-request-id", "cf-ray",
)  # fmt: skip
_SSE_START = re.compile(rb"\s*(?::|data|event|id|retry)")


class Framing(Protocol):
    """What the tap needs of a framing."""

    dropped: int

    def feed(self, chunk: bytes) -> list[Frame]: ...

    def close(self) -> list[Frame]: ...


OpenStream = Callable[[CallFacts, "float | None"], Recorder]
"""Opens (starts) a recorder; the float is when the exchange began, by the recorder's clock, if not now."""


class Tap:
    """One HTTP exchange. Not thread-safe; `end` may come from anywhere and counts once."""

    __slots__ = (
        "_body", "_body_left", "_decode", "_decompress", "_ended", "_format", "_framing", "_lazy",
        "_max_frame", "_open", "_parser", "_request", "_sniffs", "_streaming", "began", "facts", "ignored", "recorder", "status",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        open_stream: OpenStream,
        *,
        lazy: bool = False,
        began: float | None = None,
        max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES,
    ) -> None:
        """`lazy` opens the stream at the first frame that means something, not when the request goes out."""
        self._request: Request | None = request
        self._open = open_stream
        self._lazy = lazy
        self._max_frame = max_frame_bytes
        self.began = began
        self.recorder: Recorder | None = None
        self.facts: CallFacts | None = None
        self.status = 0
        self.ignored = False
        """True once the exchange is known to be none of ours."""
        self._format: type[wire.Format] | None = None
        self._parser: wire.Format | None = None
        self._framing: Framing | None = None
        self._decompress: Decompress | None = None
        self._decode: Callable[[bytes], None] = self._feed_prefix
        self._body: list[bytes] = []
        self._body_left = max_frame_bytes
        self._sniffs = SNIFFED_FRAMES
        self._streaming = False
        self._ended = False

    # -- what the instrumentation tells -------------------------------------------------------------

    @guarded("tap.send")
    def send(self) -> None:
        """The request is about to go out: open the stream when the request says that it is an LLM call."""
        request, self._request = self._request, None
        found = None if request is None else wire.recognise(request)
        if found is not None:
            self._format, self.facts = found
            self._streaming = self.facts.streaming
            if not self._lazy:
                self._opened(self.facts)

    @guarded("tap.responded")
    def responded(self, status: int, headers: Mapping[str, str]) -> bool:
        """The answer's head is here (`headers` in lower case); False: its body need not be watched."""
        self.status = status
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._format is None and not _is_stream(kind):
            self.ignored = True
            return False
        if self.recorder is not None:
            self._note_head(self.recorder, status, headers)
        self._decode = self._decoder_for(status, kind)
        self._set_decompression(headers.get("content-encoding", ""))
        return True

    @guarded("tap.feed")
    def feed(self, chunk: bytes) -> None:
        """The host read these bytes of the body."""
        if self.ignored or self._ended:
            return
        if self.recorder is not None:
            self.recorder.tick()
        if self._decompress is not None:
            chunk = self._decompressed(chunk)
        self._decode(chunk)

    @guarded("tap.end")
    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        """The exchange is over. Only the first call counts."""
        if self._ended:
            return
        try:
            if not self.ignored:
                self._drain(ending)
        finally:
            self._ended = True
            if self.recorder is not None:
                self.recorder.end(ending, error)

    # -- the beginning of an answer ---------------------------------------------------------------------

    def _opened(self, facts: CallFacts) -> Recorder:
        self.recorder = self._open(facts, self.began)
        return self.recorder

    def _note_head(self, recorder: Recorder, status: int, headers: Mapping[str, str]) -> None:
        recorder.status = status
        recorder.provider_request_id = next((headers[name] for name in _PROVIDER_IDS if name in headers), None)
        if status >= 400:  # noqa: PLR2004 - HTTP errors
            self._body_left = MAX_ERROR_BYTES
            recorder.attributes["error_header"] = headers.get("x-amzn-errortype", "").partition(":")[0] or None

    def _decoder_for(self, status: int, kind: str) -> Callable[[bytes], None]:
        if status >= 400:  # noqa: PLR2004
            return self._feed_body
        framing = _FRAMINGS.get(kind)
        if framing is not None:
            self._framing = framing(self._max_frame)
            return self._feed_frames
        return self._feed_prefix if self._streaming else self._feed_body

    def _set_decompression(self, encoding: str) -> None:
        if not encoding:
            return
        try:
            self._decompress = decompressor(encoding)
        except Undecodable as error:
            self._unreadable(error)

    def _decompressed(self, chunk: bytes) -> bytes:
        try:
            return self._decompress(chunk) if self._decompress is not None else chunk
        except Undecodable as error:
            self._unreadable(error)
            return b""

    def _unreadable(self, error: Undecodable) -> None:
        """Pass the rest of the body by; the recorder still tells that and how the exchange ended."""
        skipped("tap.undecodable")
        self._decompress = None
        self._decode = _pass_by
        if self.recorder is not None:
            self.recorder.attributes["undecodable"] = str(error)

    # -- the body --------------------------------------------------------------------------------------------

    def _feed_frames(self, chunk: bytes) -> None:
        assert self._framing is not None  # noqa: S101 - set together with this method
        for frame in self._framing.feed(chunk):
            if self._parser is not None:
                self._parser.feed(frame)
            else:
                self._first_frame(frame)

    def _first_frame(self, frame: Frame) -> None:
        """Find the format if the request told none; from here on frames go straight to it."""
        format = self._format or wire.sniff(frame)
        if format is None:
            self._sniffs -= 1
            self.ignored = self._sniffs <= 0
            return
        self._format = format
        self._start_parser(format)
        assert self._parser is not None  # noqa: S101 - just started
        self._parser.feed(frame)

    def _start_parser(self, format: type[wire.Format]) -> None:
        self._parser = format(self.recorder if self.recorder is not None else _Opening(self, format))

    def _feed_prefix(self, chunk: bytes) -> None:
        """The content type does not tell the framing: hold the first bytes until they do."""
        self._body.append(chunk)
        prefix = b"".join(self._body)
        if len(prefix.lstrip()) < MAX_PREFIX_BYTES:
            return
        self._body = []
        self._decode = self._choose(prefix)
        self._decode(prefix)

    def _choose(self, prefix: bytes) -> Callable[[bytes], None]:
        if _SSE_START.match(prefix.removeprefix(b"\xef\xbb\xbf")):
            self._framing = SSEDecoder(self._max_frame, lenient=True)
            return self._feed_frames
        return self._feed_body

    def _feed_body(self, chunk: bytes) -> None:
        """Keep a body that is one document; beyond the cap it is given up, never buffered without end."""
        self._body_left -= len(chunk)
        if self._body_left < 0:
            skipped("tap.body_too_large")
            self._body = []
            self._decode = _pass_by
            return
        self._body.append(chunk)

    # -- the end ---------------------------------------------------------------------------------------------

    def _drain(self, ending: Ending) -> None:
        """Read what was held back: an event left open at the end of the body, or the one document."""
        if self._framing is not None:
            if ending == "eof":
                for frame in self._framing.close():
                    self._first_frame(frame) if self._parser is None else self._parser.feed(frame)
            if self._framing.dropped:
                skipped("framing.dropped")
            return
        body = b"".join(self._body)
        self._body = []
        if body.strip() or self.status >= 400:  # noqa: PLR2004
            self._read_document(body)

    def _read_document(self, body: bytes) -> None:
        recorder = self.recorder
        if self.status >= 400 or self._format is None:  # noqa: PLR2004
            if recorder is not None:
                header = recorder.attributes.pop("error_header", None)
                failure = read_failure(body, header if isinstance(header, str) else None)
                recorder.error(failure or Failure(None, None, None))
            return
        if (failure := _error_document(body)) is not None and recorder is not None:
            recorder.error(failure)
            return
        self._start_parser(self._format)
        assert self._parser is not None  # noqa: S101 - just started
        self._parser.whole(body)


class _Opening:
    """A `Meaning` that opens the stream when something is first meant, and then steps aside."""

    def __init__(self, tap: Tap, format: type[wire.Format]) -> None:
        self._tap = tap
        self._format = format

    def skip(self, kind: str) -> None:
        """What is not understood opens nothing."""

    def __getattr__(self, name: str) -> object:
        tap = self._tap
        recorder = tap.recorder
        if recorder is None:
            facts = tap.facts or CallFacts("unknown", "chat", "unknown", self._format.name)
            recorder = tap._opened(facts)  # noqa: SLF001 - the other half of the tap
            recorder.status = tap.status
        return getattr(recorder, name)


def _error_document(body: bytes) -> Failure | None:
    """Return the error of a 200 answer whose document is an error object."""
    head = body.lstrip()[:256]
    if b'"error"' not in head:
        return None
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return read_failure(body) if members.get("error", b"null") != b"null" else None


def _pass_by(_: bytes) -> None:
    """Bytes that cannot or need not be read."""


def _is_stream(kind: str) -> bool:
    return kind in _FRAMINGS


_FRAMINGS: dict[str, Callable[[int], Framing]] = {
    "text/event-stream": lambda max_bytes: SSEDecoder(max_bytes, lenient=True),
}
"""Content types that name their framing."""
