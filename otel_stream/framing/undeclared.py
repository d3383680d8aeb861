"""Framing of a body whose content type does not tell it, or tells it wrong: the first bytes do.

Gateways and proxies lose content types, or label whatever they pass on as events; OpenAI itself labelled
streams `application/json` once. A body that turns out to be one document, not a stream, is kept for the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from otel_stream.framing import DEFAULT_MAX_FRAME_BYTES, Frame, Framing
from otel_stream.framing.aws_event_stream import EventStreamDecoder, is_event_stream
from otel_stream.framing.json_array import JSONArrayDecoder
from otel_stream.framing.ndjson import NDJSONDecoder
from otel_stream.framing.sse import SSEDecoder

MIN_PREFIX_BYTES = 16  # enough to tell the framings apart
_BOM = b"\xef\xbb\xbf"
_SSE_START = re.compile(rb"\s*(?:data|event|id|retry)?:")

NewFraming: TypeAlias = Callable[[int], Framing]
"""Makes a framing that drops frames above so many bytes."""


def lenient_sse(max_bytes: int) -> SSEDecoder:
    """Return the decoder for providers' streams: a last event without its blank line counts."""
    return SSEDecoder(max_bytes, lenient=True)


BY_CONTENT_TYPE: dict[str, NewFraming] = {
    "text/event-stream": lenient_sse,
    "application/vnd.amazon.eventstream": EventStreamDecoder,
    "application/x-ndjson": NDJSONDecoder,
    "application/ndjson": NDJSONDecoder,
    "application/jsonl": NDJSONDecoder,
    "application/x-jsonlines": NDJSONDecoder,
    "application/json-seq": NDJSONDecoder,
    "application/stream+json": NDJSONDecoder,
}
"""Content types that name their framing."""


class Undeclared:
    """Finds the framing by the first bytes and hands on to it. One instance per response."""

    __slots__ = (
        "_asked_for", "_declared", "_held", "_is_document", "_line_ended", "_max_bytes", "_own_dropped",
        "_size", "framing",
    )  # fmt: skip

    def __init__(
        self,
        max_bytes: int = DEFAULT_MAX_FRAME_BYTES,
        *,
        asked_for: bool = True,
        declared: NewFraming | None = None,
    ) -> None:
        """`asked_for` is whether the request asked for a stream; if not, only server-sent events are one.

        `declared` is what the content type says; it holds unless the first bytes say otherwise.
        """
        self._max_bytes = max_bytes
        self._asked_for = asked_for or declared is not None
        self._declared = declared
        self._own_dropped = 0
        self.framing: Framing | None = None
        """What was found; from then on the bytes may as well go straight to it."""
        self._held: list[bytes] = []
        self._size = 0
        self._line_ended = False  # the end of a first line that may be JSON has been seen
        self._is_document = False

    @property
    def dropped(self) -> int:
        return self._own_dropped if self.framing is None else self.framing.dropped

    @property
    def document(self) -> bytes:
        """The body so far when it is no stream; empty when it is one, or too large."""
        return b"".join(self._held)

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Return the frames completed by `chunk`; none while the framing is not known."""
        if self.framing is not None:
            return self.framing.feed(chunk)
        if not self._held:
            chunk = chunk.lstrip()
        self._hold(chunk)
        return self._decide() if self._is_enough(chunk) else ()

    def close(self) -> Sequence[Frame]:
        """The body ended: return the last frames, also of a body that is shorter than a decision takes."""
        found: list[Frame] = []
        if self.framing is None and self._held and not self._is_document and not self._may_be_document:
            found.extend(self._decide())
        if self.framing is not None:
            found.extend(self.framing.close())
        return found

    @property
    def _may_be_document(self) -> bool:
        return self._held[0][:1] == b"{" and self._declared is not NDJSONDecoder

    def _hold(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._size += len(chunk)
        first_of_stream = self._declared is not None and not self._held
        if self._size <= self._max_bytes or first_of_stream:  # the framing drops what is too large of it
            self._held.append(chunk)
        elif not self._own_dropped:
            self._own_dropped = 1
            self._held = []

    def _is_enough(self, chunk: bytes) -> bool:
        """Tell whether what is held decides; of an object it takes a line, and a second one behind it."""
        if self._is_document or not self._held:
            return False
        if not self._may_be_document:
            return self._size >= MIN_PREFIX_BYTES
        behind = chunk if self._line_ended else chunk.partition(b"\n")[2]
        self._line_ended = self._line_ended or b"\n" in chunk
        return bool(behind.strip())

    def _decide(self) -> Sequence[Frame]:
        prefix = self.document
        new_framing = by_first_bytes(prefix)
        if new_framing is None or (self._declared is NDJSONDecoder and new_framing is not lenient_sse):
            new_framing = self._declared or new_framing  # a line may begin with any bracket
        if new_framing is None or (new_framing is not lenient_sse and not self._asked_for):
            self._is_document = True
            return ()
        self._held = []
        self.framing = new_framing(self._max_bytes)
        return self.framing.feed(prefix)


def by_first_bytes(prefix: bytes) -> NewFraming | None:
    """Return the framing of a body that begins like this; None when it is one document."""
    if _SSE_START.match(prefix.removeprefix(_BOM)):
        return lenient_sse
    if prefix[:1] == b"[":
        return JSONArrayDecoder
    if prefix[:1] == b"{":
        return NDJSONDecoder if _is_json(prefix.partition(b"\n")[0]) else None
    return EventStreamDecoder if is_event_stream(prefix) else None


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
