"""Newline-delimited JSON framing: bytes in, one frame a line out, no I/O.

https://github.com/ndjson/ndjson-spec; blank lines, CRLF and a last line without its end are taken, and so
are the record separators of https://www.rfc-editor.org/rfc/rfc7464. Time is linear, memory is capped.
"""

from __future__ import annotations

from otel_stream.framing import DEFAULT_MAX_FRAME_BYTES, Payload

_AROUND = b" \t\r\x1e\xef\xbb\xbf"
"""What may stand around a line's JSON: white space, a record separator, a byte order mark."""


class NDJSONDecoder:
    """Turns the bytes of one body into lines. One instance per response."""

    __slots__ = ("_held", "_max_bytes", "_size", "dropped")

    def __init__(self, max_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> None:
        self.dropped = 0
        self._max_bytes = max_bytes
        self._held: list[bytes] = []  # pieces of the unfinished line
        self._size = 0  # its length so far, also when it is too long to be held

    def feed(self, chunk: bytes) -> list[Payload]:
        """Return the lines completed by `chunk`, which may end anywhere."""
        *ends, rest = chunk.split(b"\n")
        if self._size and ends:
            ends[0] = self._take(ends[0])
        if rest:
            self._hold(rest)
        return [Payload(line) for end in ends if (line := self._line(end))]

    def close(self) -> list[Payload]:
        """Return the last line if the body ended without closing it."""
        line = self._line(self._take(b""))
        return [Payload(line)] if line else []

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max_bytes:
            self._held.append(piece)
        else:
            self._held = []

    def _take(self, last_piece: bytes) -> bytes:
        """Return the held line; of one that is too long nothing is left but its being counted."""
        self._hold(last_piece)
        self.dropped += self._size > self._max_bytes
        line, self._held, self._size = b"".join(self._held), [], 0
        return line

    def _line(self, line: bytes) -> bytes:
        if len(line) > self._max_bytes:
            self.dropped += 1
            return b""
        return line.strip(_AROUND)
