"""Incremental JSON array framing: bytes in, the array's elements out as each is complete, no I/O.

Gemini answers like this without `alt=sse`: one array over the whole body, an element a write. Values that
stand one after the other without an array around them are split as well.

Strategy: a read mostly holds one whole element, or whole elements whose last `}` stands in the first column.
That is proven by one pass of the JSON parser: what is a value cannot be the beginning of a longer one.
Everything else goes through a scanner that looks at each byte once and counts brackets outside strings.
"""

from __future__ import annotations

import re

import msgspec

from otel_stream.framing import DEFAULT_MAX_FRAME_BYTES, Payload

_SCAN_BYTES = 64 << 10  # the regular expression's own memory grows with what it looks at in one go
_OPENING = b"{["
_DONE = -1  # the depth around elements that never come
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_NEXT_BRACKET = re.compile(rb'[^"{}\[\]]*(?:' + _STRING + rb'[^"{}\[\]]*)*[{}\[\]]', re.DOTALL)
_WHOLE_STRINGS = re.compile(rb'[^"]*(?:' + _STRING + rb'[^"]*)*', re.DOTALL)
_REST_OF_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BETWEEN = b" \t\r\n,"  # what stands between elements, and how much of it on the short way
_MAX_BETWEEN = 16
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[")

_one_value = msgspec.json.Decoder(msgspec.Raw).decode


class JSONArrayDecoder:
    """Turns the bytes of one JSON array into its elements (objects and arrays). One instance per response."""

    __slots__ = ("_base", "_depth", "_escaped", "_held", "_in_string", "_max_bytes", "_size", "dropped")

    def __init__(self, max_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> None:
        self.dropped = 0
        self._max_bytes = max_bytes
        self._depth = 0
        self._base: int | None = None  # depth around the elements: 1 in an array, 0 without one
        self._in_string = False
        self._escaped = False  # the next byte of the string follows a backslash
        self._held: list[bytes] = []  # pieces of the unfinished element
        self._size = 0

    def feed(self, chunk: bytes) -> list[Payload]:
        """Return the elements completed by `chunk`, which may end anywhere."""
        found: list[Payload] = []
        if self._depth == self._base and not self._in_string:
            # The usual read, one element and what stands between two, comes once per token.
            element = chunk.strip(_BETWEEN)
            if element[:1] == b"{" and self._take(element, found):
                return found
        start = 0
        if not self._in_string:
            if self._base is None:
                start = self._array_start(chunk)
            if self._depth == self._base:
                start = self._whole(chunk, start, found)
        while start < len(chunk) and self._base != _DONE:
            start = self._scan(chunk, start, found)
        return found

    def close(self) -> list[Payload]:
        """Return nothing: an element that the body left open is no JSON."""
        return []

    def _array_start(self, chunk: bytes) -> int:
        """Return where the elements begin, if the body begins with `[` as it should."""
        match = _ARRAY.match(chunk)
        if match is None:
            return 0
        self._base = self._depth = 1
        return match.end()

    def _whole(self, chunk: bytes, start: int, found: list[Payload]) -> int:
        """Take the elements that the read plainly holds all of; return where the rest begins."""
        begin = _after_comma(chunk, start)
        if self._take(chunk[begin : (end := chunk.rfind(b"}") + 1)], found):
            return end if chunk[end:].strip(_BETWEEN) else len(chunk)
        while self._take(chunk[begin : (end := chunk.find(b"\n}", begin) + 2)], found):
            start = end
            begin = _after_comma(chunk, start)
        return start

    def _take(self, element: bytes, found: list[Payload]) -> bool:
        whole = element[-1:] == b"}" and len(element) <= self._max_bytes and _is_json(element)
        if whole:
            found.append(Payload(element))
        return whole

    def _scan(self, chunk: bytes, start: int, found: list[Payload]) -> int:
        """Go on to the end of the element, or of what is scanned at once; return where that is."""
        stop = min(len(chunk), start + _SCAN_BYTES)
        position = self._leave_string(chunk, start, stop) if self._in_string else start
        begin = start
        while (match := _NEXT_BRACKET.match(chunk, position, stop)) is not None:
            position = match.end()
            if chunk[position - 1] in _OPENING:
                if self._open(chunk[position - 1]):
                    begin = position - 1
            elif self._close(chunk, begin, position, found):
                return position
        self._enter_string(chunk, position, stop)
        if self._base is not None and self._depth > self._base:
            self._hold(chunk[begin:stop])
        return stop

    def _open(self, bracket: int) -> bool:
        """Count an opening bracket; True when an element begins with it."""
        if self._base is None:
            self._base = 1 if bracket == _OPENING[1] else 0
            self._depth = self._base
            return self._base == 0 and self._begin()
        begins = self._depth == self._base
        return self._begin() if begins else self._deeper()

    def _begin(self) -> bool:
        self._depth += 1
        self._held = []
        self._size = 0
        return True

    def _deeper(self) -> bool:
        self._depth += 1
        return False

    def _close(self, chunk: bytes, begin: int, end: int, found: list[Payload]) -> bool:
        """Count a closing bracket; True when it ends an element."""
        if self._depth == 0 or self._base is None:
            return False
        self._depth -= 1
        if self._depth < self._base:
            self._base = _DONE  # the array is complete; what follows is none of it
        if self._depth != self._base:
            return False
        self._hold(chunk[begin:end])
        if self._size > self._max_bytes:
            self.dropped += 1
        else:
            found.append(Payload(self._held[0] if len(self._held) == 1 else b"".join(self._held)))
        self._held = []
        self._size = 0
        return True

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max_bytes:
            self._held.append(piece)
        else:
            self._held = []

    def _leave_string(self, chunk: bytes, start: int, stop: int) -> int:
        """Return where the string that is open at `start` ends, or `stop` while it does not."""
        first = start + 1 if self._escaped else start
        self._escaped = False
        match = _REST_OF_STRING.match(chunk, first, stop)
        if match is None:
            self._escaped = self._ends_escaped(chunk, first, stop)
            return stop
        self._in_string = False
        return match.end()

    def _enter_string(self, chunk: bytes, position: int, stop: int) -> None:
        """Note the string that is open at `stop`, if one is."""
        if self._in_string or position >= stop:
            return
        match = _WHOLE_STRINGS.match(chunk, position, stop)
        quote = match.end() if match else position
        if quote < stop:
            self._in_string = True
            self._escaped = self._ends_escaped(chunk, quote + 1, stop)

    @staticmethod
    def _ends_escaped(chunk: bytes, start: int, stop: int) -> bool:
        string = chunk[start:stop]
        return (len(string) - len(string.rstrip(b"\\"))) % 2 == 1


def _after_comma(chunk: bytes, start: int) -> int:
    """Return where an object begins behind nothing but white space and commas; else `start`."""
    begin = chunk.find(b"{", start, start + _MAX_BETWEEN)
    return begin if begin >= 0 and not chunk[start:begin].strip(_BETWEEN) else start


def _is_json(text: bytes) -> bool:
    try:
        _one_value(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
