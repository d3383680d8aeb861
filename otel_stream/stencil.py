"""Chunks that are like the last one but for their text: read by comparing bytes, without parsing them.

Between the tap and the recorder. Most chunks of an answer differ in one JSON string alone, the next piece of
text. Such a chunk was parsed before; a stencil keeps what stood around its text. What stands there in a chunk
that fits is one whole JSON string or the chunk is parsed, so nothing else of it can have changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from otel_stream import wire
from otel_stream.events import Channel
from otel_stream.framing.sse import SSEDecoder
from otel_stream.loose import NOT_JSON
from otel_stream.recorder import Recorder

MAX_PIECE = 4096  # bytes of a piece of text, quotes included; longer ones are parsed
PATIENCE = 32  # chunks that are parsed before a stencil is cut; it costs as much as it saves on sixty

_PROBES = ("x7 Z", "another piece")  # what stands for the text while a stencil is tried
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


def reader(recorder: Recorder, framing: SSEDecoder, parser: wire.Format) -> Callable[[bytes], None]:
    """Return the reader for the rest of a stream whose format is one of `wire.PLAIN`.

    It runs once per token, so the common case is written out in one piece.
    """
    feed, parse, clock, delta, string = framing.feed, parser.feed, recorder.clock, recorder.delta, _STRING
    before, after, ending, channel, index = NOTHING
    start = parsed = told = 0
    patience = PATIENCE

    def read(chunk: bytes) -> None:
        nonlocal before, after, ending, channel, index, start, parsed, told, patience
        recorder.now = clock()
        if start and framing.at_rest and chunk.startswith(before):
            piece = chunk[start : -len(after)] if chunk.endswith(after) else ending(chunk, start)
            if len(piece) <= MAX_PIECE:
                try:
                    text = string(piece)
                except NOT_JSON:
                    text = ""
                if text:
                    delta(text, channel, index)
                    return
        chunks = recorder.chunks
        for frame in feed(chunk):
            parse(frame)
        parsed += 1
        if recorder.hard:
            start = 0  # whatever follows the end means nothing, however familiar it looks
        elif parsed >= patience and recorder.chunks == chunks + 1:
            useful = recorder.chunks - told >= 2 * parsed
            patience = PATIENCE if useful else 2 * patience
            parsed, told = 0, recorder.chunks
            before, after, ending, channel, index = cut(chunk, type(parser)) or NOTHING
            start = len(before)

    return read


def cut(chunk: bytes, format: type[wire.Format]) -> Stencil | None:
    """Return the stencil of a chunk, or None when it is more than one event with one piece of text.

    It is tried with other texts, on parsers of its own: they must find that text there and nothing else.
    """
    said = _said(chunk, format)
    if said is None:
        return None
    text, channel, index = said
    before, found, after = chunk.partition(b'"%b"' % text.encode("utf-8", "replace"))
    for probe in _PROBES:
        if not found or _said(b'%b"%b"%b' % (before, probe.encode(), after), format) != (
            probe,
            channel,
            index,
        ):
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
