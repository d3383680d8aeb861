"""What is fuzzed, and what must hold for any bytes. A target takes bytes and raises when something does not.

framing:NAME   the body of a response
format:NAME    frames, one a line: the event's name, a tab, the payload
tap            a header of eight bytes that chooses the exchange, then the body
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import corpus
import msgspec

from otel_stream import _guard, wire
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import Completed, Error, Started, StreamEvent
from otel_stream.framing.aws_event_stream import EventStreamDecoder
from otel_stream.framing.json_array import JSONArrayDecoder
from otel_stream.framing.ndjson import NDJSONDecoder
from otel_stream.framing.sse import SSEDecoder
from otel_stream.framing.undeclared import BY_CONTENT_TYPE, Undeclared
from otel_stream.meaning import CallFacts, Request
from otel_stream.recorder import Recorder
from otel_stream.tap import Tap

HEADER_BYTES = 8
MAX_FRAME_BYTES = 1 << 16  # below what the fuzzer sends, so that oversized frames are met too
FREE_SECONDS = 0.05
SECONDS_PER_UNIT = 50e-6  # a byte or a chunk; twenty times what it should take
FREE_HELD_BYTES = 256 << 10
HELD_PER_BYTE = 8  # small objects are larger in memory than on the wire

FRAMINGS: dict[str, Callable[[int], Any]] = {
    "sse": SSEDecoder,
    "lenient_sse": lambda max_bytes: SSEDecoder(max_bytes, lenient=True),
    "ndjson": NDJSONDecoder,
    "json_array": JSONArrayDecoder,
    "aws_event_stream": EventStreamDecoder,
    "undeclared": Undeclared,
    "mislabelled": lambda max_bytes: Undeclared(max_bytes, declared=BY_CONTENT_TYPE["text/event-stream"]),
}
CONTENT_TYPES = (
    "text/event-stream",
    "application/json",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
)
ENCODINGS = ("", "gzip", "deflate", "br", "zstd", "gzip, br", "unknown")
STATUSES = (200, 200, 200, 400, 429, 500)
ENDINGS = ("eof", "closed", "cancelled", "failed", "timeout", "abandoned")


class Broken(AssertionError):
    """A promise that some bytes break."""


def targets() -> dict[str, Callable[[bytes], None]]:
    """Return all targets by name."""
    _guard.set_reraise(True)
    return {
        **{f"framing:{name}": _Framing(name) for name in FRAMINGS},
        **{f"format:{format.name}": _Format(format) for format in wire.FORMATS},
        "tap": fuzz_tap,
    }


class _Framing:
    """Any cut of the bytes gives the same frames, and not more bytes than came in."""

    def __init__(self, name: str) -> None:
        self._new = FRAMINGS[name]

    def __call__(self, data: bytes) -> None:
        results = [self._read(chunks) for chunks in ([data], cut(data, data), single(data))]
        require(all(result == results[0] for result in results), "another cut gives other frames")
        require(sum(map(len, (raw for _, raw in results[0][0]))) <= len(data), "more came out than went in")

    def _read(self, chunks: Sequence[bytes]) -> tuple[list[tuple[str, bytes]], int]:
        decoder = self._new(MAX_FRAME_BYTES)
        with measured(chunks):
            frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
        require_small(decoder, sum(map(len, chunks)))
        frames.extend(decoder.close())
        return [(frame.event, frame.raw) for frame in frames], decoder.dropped


class _Frame(msgspec.Struct):
    event: str
    raw: bytes


class _Format:
    """Frames of any kind are read or skipped, and nothing that grows with the stream is kept."""

    def __init__(self, format: type[wire.Format]) -> None:
        self._format = format

    def __call__(self, data: bytes) -> None:
        frames = [_frame(line) for line in data.split(b"\n")]
        events, recorder = _recorder(CallFacts("p", "chat", "m", self._format.name))
        parser = self._format(recorder)
        self._format.sniff(frames[0])
        with measured([frame.raw for frame in frames]):
            for frame in frames:
                parser.feed(frame)
        require_small((parser, recorder), len(data))
        with measured([data]):
            self._format(recorder).whole(data)
        recorder.end("eof")
        require_lawful(events)


def _frame(line: bytes) -> _Frame:
    name, tab, raw = line.partition(b"\t")
    return _Frame(name.decode("utf-8", "replace"), raw) if tab else _Frame("message", line)


def fuzz_tap(data: bytes) -> None:
    """A whole exchange: never an exception, one stream at most, its events in order, any cut the same."""
    header, body = data[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0"), data[HEADER_BYTES:]
    results = [_exchange(header, chunks) for chunks in ([body], cut(body, header))]
    # An undecodable body is given up where that is noticed, and that depends on the cut.
    if not chosen(ENCODINGS, header[3]):
        require(results[0] == results[1], "another cut gives another result")


def _exchange(header: bytes, chunks: Sequence[bytes]) -> object:
    found: list[tuple[list[StreamEvent], Recorder]] = []

    def open_stream(facts: CallFacts, began: float | None) -> Recorder:
        require(not found, "two streams of one exchange")
        found.append(_recorder(facts))
        return found[0][1]

    request, headers = chosen(REQUESTS, header[0]), _headers(header)
    tap = Tap(request(), open_stream, lazy=bool(header[6] & 1), max_frame_bytes=MAX_FRAME_BYTES)
    tap.send()
    if tap.responded(chosen(STATUSES, header[2]), headers):
        with measured(chunks):
            for chunk in chunks:
                tap.feed(chunk)
        require_small(tap, sum(map(len, chunks)))
    tap.end(chosen(ENDINGS, header[5]))  # type: ignore[arg-type] # one of them
    return [_result(*stream) for stream in found]


def _headers(header: bytes) -> dict[str, str]:
    encoding = chosen(ENCODINGS, header[3])
    return {
        "content-type": chosen(CONTENT_TYPES, header[1]),
        **({"content-encoding": encoding} if encoding else {}),
    }


def _result(events: list[StreamEvent], recorder: Recorder) -> object:
    require_lawful(events)
    last = events[-1]
    assert isinstance(last, Completed | Error)
    return (last.outcome, last.chunks, last.output_characters, recorder.reported, recorder.failure)


# -- exchanges -----------------------------------------------------------------------------------------


def _asker(case: corpus.Case) -> Callable[[], Request]:
    asked = case.request
    body = None if asked["json"] is None else msgspec.json.encode(asked["json"])
    return lambda: Request(asked["method"], asked["url"], asked["headers"], body)


APIS = sorted({case.api for case in corpus.streams()})
REQUESTS: list[Callable[[], Request]] = [
    lambda: Request("POST", "https://example.com/ask", {}, b"{}"),
    *(_asker(corpus.streams(api)[0]) for api in APIS),
]


def chosen(options: Sequence[Any], byte: int) -> Any:
    return options[byte % len(options)]


def cut(data: bytes, key: bytes) -> list[bytes]:
    """Return the bytes cut at up to 32 places that depend on `key`; pieces may be empty."""
    chance = random.Random(bytes(key))
    cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(1, 32)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def single(data: bytes) -> list[bytes]:
    """Return the bytes one by one, or in so many pieces as can be afforded."""
    size = len(data) // 1024 + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def _recorder(facts: CallFacts) -> tuple[list[StreamEvent], Recorder]:
    events: list[StreamEvent] = []

    class Sink:
        def started(self, event: StreamEvent, _: Recorder) -> None:
            events.append(event)

        ended = started

    recorder = Recorder(facts, broadcaster=StreamEventBroadcaster(), sinks=(Sink(),))
    recorder.start()
    return events, recorder


# -- what must hold ------------------------------------------------------------------------------------


def require(truth: object, promise: str) -> None:
    if not truth:
        raise Broken(promise)


def require_lawful(events: Sequence[StreamEvent]) -> None:
    """Started first, one of Completed or Error last, and nothing else: deltas go another way."""
    kinds = [type(event) for event in events]
    require(kinds in ([Started, Completed], [Started, Error]), f"events out of order: {kinds}")
    require(events[0].sequence < events[1].sequence, "sequence numbers do not rise")


class measured:  # noqa: N801 - a context manager used like a function
    """Require that CPU time within is linear in the bytes and chunks."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._limit = FREE_SECONDS + SECONDS_PER_UNIT * (len(chunks) + sum(map(len, chunks)))

    def __enter__(self) -> None:
        self._began = time.thread_time()

    def __exit__(self, kind: object, *_: object) -> None:
        took = time.thread_time() - self._began
        require(kind or took <= self._limit, f"took {took:.2f} s, {self._limit:.2f} s is linear")


def require_small(kept: object, size: int) -> None:
    held = held_bytes(kept)
    require(held <= FREE_HELD_BYTES + HELD_PER_BYTE * size, f"{held} bytes are held after {size}")


def held_bytes(root: object) -> int:
    """Return about how many bytes are reachable from an object through containers and our own objects."""
    seen: set[int] = set()
    total, todo = 0, [root]
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, type) or callable(item):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item, 0)
        todo.extend(_parts(item))
    return total


def _parts(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    if isinstance(item, list | tuple | set | frozenset):
        return list(item)
    if not type(item).__module__.startswith("otel_stream"):
        return ()
    slots = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
    return (
        [*vars(item).values()] if hasattr(item, "__dict__") else [getattr(item, name, None) for name in slots]
    )
