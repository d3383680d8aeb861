"""AWS event stream framing (`application/vnd.amazon.eventstream`): bytes in, messages out, no I/O.

    total length u32 | headers length u32 | CRC of these 8 bytes | headers | payload | CRC of all before it

https://smithy.io/2.0/aws/amazon-eventstream.html
Both checksums are verified. After a message that fails nothing can be trusted: it is counted, and reading
stops, as in AWS's own SDKs. Headers repeat from message to message and are parsed once each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, TypeAlias
from zlib import crc32

import msgspec

from otel_stream.framing import DEFAULT_MAX_FRAME_BYTES

Kind: TypeAlias = Literal["event", "exception", "error"]
"""`:message-type`: an event, an exception of the service's model, or an error outside of it."""

PRELUDE_BYTES = 12
_TRAILER_BYTES = 4
_MAX_KNOWN_HEADERS = 64  # blocks of headers remembered; APIs have a dozen
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of header values by their type
_BYTES, _STRING = 6, 7  # types of values that begin with their length, u16
_prelude = struct.Struct(">III").unpack_from
_u32 = struct.Struct(">I").unpack_from


class EventStreamMessage(msgspec.Struct, frozen=True, gc=False):
    """One message. `event` is the event type, exception type or error code, by its kind.

    An `error` has no payload; `raw` is its message as `{"message": …}`, as the exceptions have it.
    """

    event: str
    raw: bytes
    kind: Kind = "event"


class EventStreamDecoder:
    """Turns the bytes of one body into messages. One instance per response."""

    __slots__ = ("_broken", "_held", "_known", "_max_bytes", "_needed", "_skip", "dropped")

    def __init__(self, max_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> None:
        self.dropped = 0
        self._max_bytes = max_bytes
        self._held = bytearray()  # the unfinished message
        self._needed = PRELUDE_BYTES  # bytes that must be held before looking at them again is of use
        self._skip = 0  # bytes of a message that was too large which are still to come
        self._broken = False
        self._known: dict[bytes, EventStreamMessage] = {}  # headers → a message with an empty payload

    def feed(self, chunk: bytes) -> list[EventStreamMessage]:
        """Return the messages completed by `chunk`, which may end anywhere."""
        if self._skip or self._broken:
            chunk = self._without_skipped(chunk)
        elif not self._held and PRELUDE_BYTES + _TRAILER_BYTES <= (size := len(chunk)) <= self._max_bytes:
            # The usual read, one message with headers that came before, comes once per token.
            total, headers, _ = _prelude(chunk)
            payload, end = PRELUDE_BYTES + headers, size - _TRAILER_BYTES
            known = self._known.get(chunk[PRELUDE_BYTES:payload]) if payload <= end else None
            if known is not None and total == size and crc32(chunk[:end]) == _u32(chunk, end)[0]:
                return [EventStreamMessage(known.event, chunk[payload:end] or known.raw, known.kind)]
        if self._held:
            self._held += chunk
            if len(self._held) < self._needed:
                return []
            chunk = bytes(self._held)
            self._held.clear()
        return self._messages(chunk)

    def close(self) -> list[EventStreamMessage]:
        """Return nothing: a message that the body left open cannot be checked."""
        return []

    def _without_skipped(self, chunk: bytes) -> bytes:
        if self._broken:
            return b""
        skipped = min(self._skip, len(chunk))
        self._skip -= skipped
        return chunk[skipped:]

    def _messages(self, data: bytes) -> list[EventStreamMessage]:
        """Take the whole messages; the checksum of a whole one covers the one of its lengths."""
        found: list[EventStreamMessage] = []
        start, size = 0, len(data)
        self._needed = PRELUDE_BYTES
        while size - start >= PRELUDE_BYTES:
            total, headers, _ = _prelude(data, start)
            end = start + total
            if total < PRELUDE_BYTES + headers + _TRAILER_BYTES:
                return self._give_up(found)
            if end > size or total > self._max_bytes:
                if not is_event_stream(data[start : start + PRELUDE_BYTES]):
                    return self._give_up(found)
                if total <= self._max_bytes:
                    self._needed = total
                    break
                self.dropped += 1
                self._skip = max(0, end - size)
            elif crc32(data[start : end - 4]) == _u32(data, end - 4)[0]:
                payload = start + PRELUDE_BYTES + headers
                known = self._name(data[start + PRELUDE_BYTES : payload])
                found.append(
                    EventStreamMessage(known.event, data[payload : end - 4] or known.raw, known.kind)
                )
            else:
                return self._give_up(found)
            start = end
        if start < size:
            self._held += data[start:]
        return found

    def _give_up(self, found: list[EventStreamMessage]) -> list[EventStreamMessage]:
        self._broken = True
        self.dropped += 1
        return found

    def _name(self, headers: bytes) -> EventStreamMessage:
        """Return what the headers say, as a message without a payload."""
        known = self._known.get(headers)
        if known is None:
            known = _from_headers(headers)
            if len(self._known) < _MAX_KNOWN_HEADERS:
                self._known[headers] = known
        return known


def is_event_stream(first_bytes: bytes) -> bool:
    """Tell whether a body begins with a message: its first 8 bytes have their checksum behind them."""
    return len(first_bytes) >= PRELUDE_BYTES and crc32(first_bytes[:8]) == _u32(first_bytes, 8)[0]


def _from_headers(block: bytes) -> EventStreamMessage:
    """Return the message with these headers and without a payload."""
    found = dict(_headers(block))
    match found.get(":message-type"):
        case "exception":
            return EventStreamMessage(found.get(":exception-type", ""), b"", "exception")
        case "error":
            message = msgspec.json.encode({"message": found.get(":error-message", "")})
            return EventStreamMessage(found.get(":error-code", ""), message, "error")
    return EventStreamMessage(found.get(":event-type", ""), b"")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _headers(block: bytes) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of each header that is text, up to the first that is none of the known types."""
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name, kind, at = block[at + 1 : name_end], block[name_end], name_end + 1
            if kind in (_BYTES, _STRING):
                value_end = at + 2 + int.from_bytes(block[at : at + 2], "big")
                if kind == _STRING:
                    yield _text(name), _text(block[at + 2 : value_end])
                at = value_end
            else:
                at += _FIXED_SIZES[kind]
    except (IndexError, KeyError):
        return
