"""What a chunk of output costs in each format: those of its longest recording, through tap and recorder.

A chunk is one frame, as a provider sends it that flushes every event. Frames without output (the first and
the last, which carry everything else) come once a stream and are left out. All formats are compared as they
parse; what `otel_stream.stencil` spares those whose chunks differ in their text alone has rows of its own.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import corpus
import msgspec

from benchmarks._harness import Row, paired
from otel_stream import wire
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.framing import Framing
from otel_stream.framing.aws_event_stream import EventStreamDecoder
from otel_stream.framing.json_array import JSONArrayDecoder
from otel_stream.framing.ndjson import NDJSONDecoder
from otel_stream.framing.sse import SSEDecoder
from otel_stream.meaning import CallFacts, Request
from otel_stream.recorder import Recorder
from otel_stream.tap import Tap

BASELINE = "openai_chat"
CHUNKS = 1_000  # about so many a round
ROUNDS = 60

FRAMINGS: dict[str, Callable[[], Framing]] = {
    "sse": SSEDecoder,
    "ndjson": NDJSONDecoder,
    "json_array": JSONArrayDecoder,
    "aws_eventstream": EventStreamDecoder,
}


class _Recording(NamedTuple):
    case: corpus.Case
    first: bytes
    output: list[bytes]
    """The chunks that carry output; without the first, which opens an array."""


def rows() -> list[Row]:
    longest = _longest()
    plain = [name for name in longest if name in {format.name for format in wire.PLAIN}]
    cases = {name: _parsing(_case(recording)) for name, recording in longest.items()}
    fitting = {name: _case(longest[name]) for name in plain}
    took = paired(cases[BASELINE], cases, ROUNDS)
    by_ratio = sorted(cases, key=lambda name: took[name][1])
    return [
        *(_row(name, longest[name], *took[name]) for name in by_ratio),
        *(
            _spared(f"{name}, by stencil", paired(cases[name], {"": fitting[name]}, ROUNDS)[""])
            for name in plain
        ),
    ]


def _parsing(case: Callable[[], float]) -> Callable[[], float]:
    """Return the case with every chunk parsed."""

    def run() -> float:
        plain, wire.PLAIN = wire.PLAIN, frozenset()
        try:
            return case()
        finally:
            wire.PLAIN = plain

    return run


def _spared(what: str, took: tuple[float, float]) -> Row:
    ns, ratio = took
    return Row.note(what, ratio, "x", f"parsed: {ns / ratio / 1000:.2f} µs; so: {ns / 1000:.2f} µs")


def _row(name: str, recording: _Recording, ns: float, ratio: float) -> Row:
    size = statistics.mean(map(len, recording.output))
    what = f"{name}: a chunk of {size:.0f} bytes ({recording.case.api})"
    if name == BASELINE:
        return Row.note(what, ns / 1000, "µs")
    baseline = f"{BASELINE}: {ns / ratio / 1000:.2f} µs; this: {ns / 1000:.2f} µs"
    return Row.at_most(what, 2, ratio, "x", baseline)


def _longest() -> dict[str, _Recording]:
    """Return the recording with most output of each format, and of each framing a format comes in."""
    found: dict[str, _Recording] = {}
    for case in corpus.streams():
        recognised = wire.recognise(_request(case))
        if recognised is None:
            continue
        name = recognised[0].name if case.framing == "sse" else f"{recognised[0].name} as {case.framing}"
        recording = _recording(case)
        if recording.output and (name not in found or len(recording.output) > len(found[name].output)):
            found[name] = recording
    return found


def _request(case: corpus.Case) -> Request:
    body = None if case.request["json"] is None else msgspec.json.encode(case.request["json"])
    return Request(case.request["method"], case.request["url"], case.request["headers"], body)


def _recording(case: corpus.Case) -> _Recording:
    tap, chunks = _started(case), _chunks(case)
    output = []
    for chunk in chunks:
        before = _counted(tap)
        tap.feed(chunk)
        if _counted(tap) > before and chunk is not chunks[0]:
            output.append(chunk)
    return _Recording(case, chunks[0] if chunks else b"", output)


def _chunks(case: corpus.Case) -> list[bytes]:
    """Return the body cut after each frame and the line end behind it."""
    framing, cuts = FRAMINGS[case.framing](), [0]
    for end in range(1, len(case.body) + 1):
        if framing.feed(case.body[end - 1 : end]):
            half_a_line_end = case.body[end - 1 : end + 1] == b"\r\n"
            cuts.append(end + half_a_line_end)
    return [case.body[start:end] for start, end in itertools.pairwise(cuts)]


def _started(case: corpus.Case) -> Tap:
    tap = Tap(_request(case), _open)
    tap.send()
    tap.responded(200, case.response["headers"])
    return tap


def _counted(tap: Tap) -> int:
    return 0 if tap.recorder is None else tap.recorder.chunks


def _case(recording: _Recording) -> Callable[[], float]:
    """Return a case: nanoseconds of CPU for one chunk of output, of a stream that has begun."""
    case, first, output = recording
    times = CHUNKS // len(output) + 1

    def run() -> float:
        tap = _started(case)
        tap.feed(first)
        before = time.thread_time_ns()
        for _ in range(times):
            for chunk in output:
                tap.feed(chunk)
        spent = time.thread_time_ns() - before
        tap.end("eof")
        return spent / times / len(output)

    return run


def _open(facts: CallFacts, began: float | None) -> Recorder:
    recorder = Recorder(facts, broadcaster=StreamEventBroadcaster(), started_at=began)
    recorder.start()
    return recorder
