"""The tap: one HTTP exchange, its bytes on the way to the host, their meaning on the way to a recorder.

    bytes ─▶ decompress ─▶ framing ─▶ wire format ─▶ recorder

Sans-IO: an instrumentation tells it what went by; it never touches the host's objects. Every public
method is guarded, so none raises. An exchange that turns out to be no LLM call leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from otel_stream import prompts, stencil, wire
from otel_stream._guard import guarded, guarded_step, skipped
from otel_stream.decompress import Decoded, Undecodable, decompressor
from otel_stream.document import Document, read_answer, read_error
from otel_stream.facts import facts, provider_request_id
from otel_stream.framing import DEFAULT_MAX_FRAME_BYTES, Framing
from otel_stream.framing.sse import SSEDecoder
from otel_stream.framing.undeclared import BY_CONTENT_TYPE, Undeclared
from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.opening import Opening
from otel_stream.outcome import HTTP_ERROR
from otel_stream.recorder import Ending, Recorder
from otel_stream.stencil import Reader

SNIFFED_FRAMES = 4  # frames looked at before an unknown stream is left alone; some begin with a ping

OpenStream: TypeAlias = Callable[[CallFacts, "float | None"], Recorder]
"""Opens (starts) a recorder; the float is when the exchange began, by the recorder's clock, if not now."""


class Tap:
    """One HTTP exchange. Not thread-safe; `end` may come from anywhere and counts once."""

    __slots__ = (
        "_began", "_capture", "_decoded", "_document", "_ended", "_format", "_framing", "_is_told", "_lazy",
        "_max_frame", "_open", "_parser", "_request", "_sniffs", "facts", "feed", "ignored", "recorder",
        "status",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        open_stream: OpenStream,
        *,
        lazy: bool = False,
        is_told: Callable[[str], bool] = lambda _: False,
        capture: bool = False,
        began: float | None = None,
        max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES,
    ) -> None:
        """`lazy` opens the stream at the first frame that means something, not when the request goes out.

        Then `is_told` is asked whether the answer with this id of the provider's is told elsewhere.
        `capture` puts the prompt into the facts' attributes.
        """
        self.recorder: Recorder | None = None
        self.facts: CallFacts | None = None
        self.status = 0
        self.ignored = False
        """True once the exchange is known to be none of ours."""
        self._request: Request | None = request
        self._open = open_stream
        self._lazy = lazy
        self._is_told = is_told
        self._capture = capture
        self._began = began
        self._max_frame = max_frame_bytes
        self._format: type[wire.Format] | None = None
        self._parser: wire.Format | None = None
        self._framing: Framing | None = None
        self._decoded: Decoded | None = None
        self._document: Document | None = None  # an error's body
        self._sniffs = SNIFFED_FRAMES
        self._ended = False
        self.feed: Reader = _pass_by
        """The host read these bytes of the body. Never raises. Another one as the answer takes shape, so it
        is to be looked up for each chunk."""

    # -- what the instrumentation tells -------------------------------------------------------------

    @guarded("tap.send")
    def send(self) -> None:
        """The request is about to go out: open the stream when the request says that it is an LLM call."""
        assert self._request is not None  # noqa: S101 - sent once, first of all
        found = wire.recognise(self._request)
        if found is not None:
            self._format, self.facts = found[0], self._complete(self._request, found[1])
            self._request = None
            if not self._lazy:
                self._open_stream(self.facts)

    @guarded("tap.responded")
    def responded(self, status: int, headers: Mapping[str, str]) -> bool:
        """The answer's head is here (`headers` in lower case); False: its body need not be watched."""
        self.status = status
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._format is None and kind not in BY_CONTENT_TYPE:
            self._ignore()
            return False
        if self.recorder is not None:
            self._note_head(self.recorder, headers)
        self._switch(self._reader_for(kind))
        self._set_decompression(headers.get("content-encoding", ""))
        return True

    @guarded("tap.rest")
    def read_rest(self) -> None:
        """Nothing has come for a while and nobody waits for more: read an event that was left open.

        A gateway that reads lines lets go after the last one it wants, before the blank line behind it.
        """
        framing = self._framing.framing if isinstance(self._framing, Undeclared) else self._framing
        if isinstance(framing, SSEDecoder):
            for frame in framing.open_event():
                self._frame(frame)

    @guarded("tap.end")
    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        """The exchange is over. Only the first call counts."""
        if self._ended:
            return
        self._ended = True
        try:
            if not self.ignored:
                self._drain()
        finally:
            self.feed = _pass_by
            self._parser = self._framing = self._decoded = self._document = None
            if self.recorder is not None:
                self.recorder.end(ending, error)

    # -- the beginning of an answer -------------------------------------------------------------------

    def _complete(self, request: Request, facts: CallFacts) -> CallFacts:
        """Add the prompt where content capture asks for it; the request itself is not kept."""
        if not self._capture:
            return facts
        return msgspec.structs.replace(facts, attributes={**facts.attributes, **prompts.content(request)})

    def _open_stream(self, facts: CallFacts) -> Recorder:
        self.recorder = self._open(facts, self._began)
        self.recorder.read_rest = self.read_rest
        return self.recorder

    def _ignore(self) -> None:
        self.ignored = True
        self._request = None
        self.feed = _pass_by

    def _note_head(self, recorder: Recorder, headers: Mapping[str, str]) -> None:
        recorder.status = self.status
        recorder.provider_request_id = provider_request_id(headers)
        if self.status >= HTTP_ERROR:
            recorder.attributes["error_header"] = (
                headers.get("x-amzn-errortype", "").partition(":")[0] or None
            )

    def _reader_for(self, kind: str) -> Reader:
        if self.status >= HTTP_ERROR:
            self._document = Document()
            return self._feed_document
        asked_for = self.facts is not None and self.facts.streaming
        declared = BY_CONTENT_TYPE.get(kind)
        self._framing = Undeclared(self._max_frame, asked_for=asked_for, declared=declared)
        return self._feed_frames

    def _switch(self, reader: Reader) -> None:
        """From now on `reader` gets the decoded bytes."""
        if self._decoded is None:
            self.feed = reader
        else:
            self._decoded.read = reader

    # -- content decoding -------------------------------------------------------------------------------

    def _set_decompression(self, encoding: str) -> None:
        """Put the content decoding in front of whatever reads the bytes."""
        if not encoding:
            return
        try:
            decompress = decompressor(encoding)
        except Undecodable as error:
            self._unreadable(error)
            return
        if decompress is not None:
            self._decoded = Decoded(decompress, self.feed, self._unreadable)
            self.feed = self._feed_decoded

    @guarded_step("tap.feed")
    def _feed_decoded(self, chunk: bytes) -> None:
        assert self._decoded is not None  # noqa: S101 - set together with this method
        self._decoded.feed(chunk)

    def _unreadable(self, error: Undecodable) -> None:
        """Pass the rest of the body by; the recorder still tells that and how the exchange ended."""
        skipped("tap.undecodable")
        self.feed = _pass_by
        if self.recorder is not None:
            self.recorder.attributes["undecodable"] = str(error)

    # -- frames --------------------------------------------------------------------------------------------

    @guarded_step("tap.feed")
    def _feed_frames(self, chunk: bytes) -> None:
        """Read frames until the first that means something; then the short way takes over."""
        assert self._framing is not None  # noqa: S101 - set together with this method
        if self.recorder is not None:
            self.recorder.tick()
        for frame in self._framing.feed(chunk):
            if self.ignored:
                return
            self._frame(frame)
        if self._parser is not None and self.recorder is not None and not self.ignored:
            framing = self._framing
            if isinstance(framing, Undeclared) and framing.framing is not None:
                self._framing = framing = framing.framing
            self._switch(stencil.short_way(self.recorder, framing, self._parser))

    def _frame(self, frame: Frame) -> None:
        """Find the format if the request told none; from there on frames go straight to it."""
        if self._parser is None:
            self._format = self._format or wire.sniff(frame)
            if self._format is None:
                self._sniffs -= 1
                if self._sniffs <= 0:
                    self._ignore()
                return
            if self._request is not None:
                found = facts(self._request, format=self._format.name, provider=self._format.provider)
                self.facts = self._complete(self._request, found)
                self._request = None
            self._parser = self._format(self._meaning())
        self._parser.feed(frame)

    def _meaning(self) -> Meaning:
        if self.recorder is not None:
            return self.recorder
        return Opening(  # type: ignore[return-value] # by __getattr__
            self._opened, lazy=self._lazy, is_told=self._leaves_it
        )

    def _leaves_it(self, response_id: str) -> bool:
        if told := self._is_told(response_id):
            self._ignore()
        return told

    def _opened(self) -> Recorder:
        if self.recorder is None:
            assert self.facts is not None  # noqa: S101 - known as soon as there is a format
            self._open_stream(self.facts).status = self.status
        assert self.recorder is not None  # noqa: S101 - opened above
        return self.recorder

    @guarded_step("tap.feed")
    def _feed_document(self, chunk: bytes) -> None:
        assert self._document is not None  # noqa: S101 - set together with this method
        if self.recorder is not None:
            self.recorder.tick()
        if not self._document.add(chunk):
            self._switch(_pass_by)

    # -- the end -------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Read what was held back: an event left open, or the one document.

        A host that reads lines may never read the empty one after the last event.
        """
        if self._document is not None:
            if self.recorder is not None:
                read_error(self.recorder, self._document.take())
        elif self._framing is not None:
            self._drain_frames(self._framing)
            document = self._framing.document if isinstance(self._framing, Undeclared) else b""
            if document.strip() and self._format is not None:
                read_answer(self._format, self._meaning(), document)

    def _drain_frames(self, framing: Framing) -> None:
        if self.recorder is not None:
            self.recorder.body_over = True
        for frame in framing.close():
            self._frame(frame)
        if framing.dropped:
            skipped("framing.dropped")


def _pass_by(_: bytes) -> None:
    """Bytes that cannot or need not be read."""
