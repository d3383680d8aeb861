"""The short way of a stream: readers that run once per token, between the tap and the recorder.

Events that are like the last one but for their text are read by comparing bytes, without parsing them. Most
of an answer's differ in one JSON string alone, the next piece of text. Such a chunk was parsed before; a
stencil keeps what stood around its text. What stands there in a chunk that fits is one whole JSON string or
the chunk is parsed, so nothing else of it can have changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import msgspec

from otel_stream import wire
from otel_stream._guard import failed
from otel_stream.events import Channel
from otel_stream.framing import Framing
from otel_stream.framing.sse import SSEDecoder
from otel_stream.loose import NOT_JSON
from otel_stream.recorder import Recorder

Reader: TypeAlias = Callable[[bytes], None]

MAX_PIECE = 4096  # bytes of a piece of text, quotes included; longer ones are parsed
PATIENCE = 8  # chunks that are parsed before a stencil is cut; it costs as much as it saves on ten

_PROBES = ("x7 Z", "another piece")  # one of them stands for the text while a stencil is tried
_BLANK_LINE = b"\n\n"  # behind an event
_PADDING = re.compile(rb'[A-Za-z0-9]*"}(\n\n|\r\n\r\n)').fullmatch
_STRING = msgspec.json.Decoder(str).decode


class Stencil(NamedTuple):
    """What surrounds the text of a chunk, and what the chunk means."""

    before: bytes
    after: bytes
    ending: Callable[[bytes, int], bytes]
    """Returns the string at that place of a chunk that goes on otherwise but means the same, or b""."""
    channel: Channel
    choice: int

    def texts(self, chunk: bytes) -> list[str]:
        """Return the text of each event of a chunk, [] unless all are whole and fit."""
        events = chunk.split(_BLANK_LINE)
        if events.pop():
            return []
        texts = [self._text(event + _BLANK_LINE) for event in events]
        return texts if all(texts) else []

    def _text(self, event: bytes) -> str:
        start = len(self.before)
        if not event.startswith(self.before):
            return ""
        piece = event[start : -len(self.after)] if event.endswith(self.after) else self.ending(event, start)
        return _string(piece)


def short_way(recorder: Recorder, framing: Framing, parser: wire.Format) -> Reader:
    """Return the reader for the rest of a stream whose first frames have been read. It never raises."""
    if type(parser) in wire.PLAIN and isinstance(framing, SSEDecoder):
        return reader(recorder, framing, parser)
    feed, parse, clock = framing.feed, parser.feed, recorder.clock

    def read(chunk: bytes) -> None:
        try:
            recorder.now = clock()
            for frame in feed(chunk):
                parse(frame)
        except Exception as error:  # noqa: BLE001 - the guard, without a call of its own
            failed("tap.feed", error)

    return read


def reader(recorder: Recorder, framing: SSEDecoder, parser: wire.Format) -> Reader:
    """Return the reader for the rest of a stream whose format is one of `wire.PLAIN`.

    It runs once per token, so the common case is written out in one piece, the guard included.
    """
    clock, delta, string, parse = recorder.clock, recorder.delta, _STRING, _Parsing(recorder, framing, parser)
    stencil = NOTHING
    before, after, ending, channel, index = stencil
    start = stop = 0

    def read(chunk: bytes) -> None:
        nonlocal stencil, before, after, ending, channel, index, start, stop
        try:
            recorder.now = clock()
            if start and framing.at_rest and chunk.startswith(before):
                piece = chunk[start:stop] if chunk.endswith(after) else ending(chunk, start)
                # One event, so most are; what is longer than what stands before it may be several.
                if piece and (len(piece) < start or (len(piece) <= MAX_PIECE and _BLANK_LINE not in piece)):
                    try:
                        text = string(piece)
                    except NOT_JSON:
                        text = ""
                    if text:
                        delta(text, channel, index)
                        return
                elif texts := stencil.texts(chunk):
                    for text in texts:
                        delta(text, channel, index)
                    return
            if (found := parse.read(chunk)) is not None:
                stencil = found
                before, after, ending, channel, index = stencil
                start, stop = len(before), -len(after)
        except Exception as error:  # noqa: BLE001 - the guard, without a call of its own
            failed("tap.feed", error)

    return read


def _string(piece: bytes) -> str:
    """Return what a JSON string says, "" for what is none or too long."""
    if not 0 < len(piece) <= MAX_PIECE:
        return ""
    try:
        return _STRING(piece)
    except NOT_JSON:
        return ""


class _Parsing:
    """Reads what no stencil fits, and cuts another when many chunks did not fit."""

    def __init__(self, recorder: Recorder, framing: SSEDecoder, parser: wire.Format) -> None:
        self._recorder = recorder
        self._feed = framing.feed
        self._parser = parser
        self._patience = PATIENCE
        self._parsed = 0  # chunks since the last cut
        self._said = 0  # output chunks in those
        self._told = 0  # output chunks up to the last cut

    def read(self, chunk: bytes) -> Stencil | None:
        """Read a chunk; return the stencil for those that follow, None to go on with the one there is."""
        recorder, parse = self._recorder, self._parser.feed
        before = recorder.chunks
        for frame in self._feed(chunk):
            parse(frame)
        said = recorder.chunks - before
        self._parsed += 1
        self._said += said
        if recorder.hard:
            return NOTHING  # whatever follows the end means nothing, however familiar it looks
        if self._parsed < self._patience or not said:
            return None
        useful = recorder.chunks - self._told >= 2 * self._said
        self._patience = PATIENCE if useful else 2 * self._patience
        self._parsed = self._said = 0
        self._told = recorder.chunks
        return cut(_last_event(chunk), type(self._parser)) or NOTHING


def _last_event(chunk: bytes) -> bytes:
    """Return the last of a chunk's events, all of it where it has but one."""
    return chunk[:-2].rpartition(_BLANK_LINE)[2] + chunk[-2:]


def cut(chunk: bytes, format: type[wire.Format]) -> Stencil | None:
    """Return the stencil of a chunk, or None when it is more than one event with one piece of text.

    It is tried with another text, on a parser of its own: it must find that text there and nothing else.
    """
    said = _said(chunk, format)
    if said is None:
        return None
    text, channel, index = said
    before, found, after = chunk.partition(b'"%b"' % text.encode("utf-8", "replace"))
    probe = _PROBES[text == _PROBES[0]]
    tried = b'%b"%b"%b' % (before, probe.encode(), after)
    if not found or _said(tried, format) != (probe, channel, index):
        return None
    return Stencil(before, after, _padded(after), channel, index)


def _said(chunk: bytes, format: type[wire.Format]) -> tuple[str, Channel, int] | None:
    """Return the one delta that a chunk tells a parser that knows nothing else; None for anything more."""
    framing, said = SSEDecoder(), _Said()
    parser = format(said)
    for frame in framing.feed(chunk):
        parser.feed(frame)
    return said.deltas[0] if len(said.deltas) == 1 and framing.at_rest and not said.more else None


class _Said:
    """A `Meaning` that notes the deltas, and whether anything but them and a head was meant."""

    def __init__(self) -> None:
        self.deltas: list[tuple[str, Channel, int]] = []
        self.more = False

    def head(self, response_id: str | None = None, model: str | None = None) -> None:
        """Every chunk of some APIs has one; only the first counts, and that has been read."""

    def delta(self, text: str, channel: Channel = "output", index: int = 0) -> None:
        self.deltas.append((text, channel, index))

    def __getattr__(self, name: str) -> Callable[..., None]:
        self.more = True
        return lambda *_, **__: None


def _padded(after: bytes) -> Callable[[bytes, int], bytes]:
    """Return how the text is found where chunks carry padding, against guesses by their length.

    OpenAI's is a member `obfuscation` at the end, Anthropic's is blanks between the last braces.
    """
    head, found, _ = after.partition(b'"obfuscation":"')
    known, words = head + found, after.split()

    def obfuscated(chunk: bytes, start: int) -> bytes:
        end = chunk.find(known, start)
        return chunk[start:end] if end > 0 and _PADDING(chunk, end + len(known)) else b""

    def blank(chunk: bytes, start: int) -> bytes:
        end = chunk.rfind(b'"') + 1
        return chunk[start:end] if chunk[-2:] == after[-2:] and chunk[end:].split() == words else b""

    if found:
        return obfuscated
    return blank if len(words) > 1 and b'"' not in after else _none


def _none(chunk: bytes, start: int) -> bytes:  # noqa: ARG001 - the signature of the two above
    return b""


NOTHING = Stencil(b"", b"", _none, "output", 0)
