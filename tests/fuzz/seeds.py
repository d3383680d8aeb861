"""The recordings as inputs of the targets, and the words that providers use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import corpus

from fuzz import targets
from otel_stream.testing import replay

MAX_SEED_BYTES = 8 << 10  # small inputs are mutated more often; a recording's first frames say most

_FRAMINGS = {
    "sse": ("sse", "lenient_sse", "undeclared", "mislabelled"),
    "ndjson": ("ndjson", "undeclared", "mislabelled"),
    "json_array": ("json_array", "undeclared", "mislabelled"),
    "aws_eventstream": ("aws_event_stream", "undeclared", "mislabelled"),
}
_DECODERS = {
    "sse": "lenient_sse",
    "ndjson": "ndjson",
    "json_array": "json_array",
    "aws_eventstream": "aws_event_stream",
}
_CONTENT_TYPES = {"sse": 0, "json_array": 1, "ndjson": 2, "aws_eventstream": 3}


def seeds(target: str) -> list[bytes]:
    """Return the seeds of a target, smallest first."""
    kind, _, name = target.partition(":")
    found = {"framing": _of_framing, "format": _of_format}.get(kind, _of_tap)(name)
    return sorted({seed[:MAX_SEED_BYTES] for seed in found}, key=len)


def _cases() -> Iterable[corpus.Case]:
    return [*corpus.streams(), *corpus.adversarial()]


def _of_framing(name: str) -> Iterator[bytes]:
    yield from (case.body for case in _cases() if name in _FRAMINGS.get(case.framing, ()))
    yield from (case["input"] for case in corpus.sse_format_cases() if "sse" in name)


def _of_format(name: str) -> Iterator[bytes]:
    for case in corpus.streams():
        found = replay(**case.replay_arguments())
        if found.facts is not None and found.facts.format == name:
            yield b"\n".join(_lines(case))


def _lines(case: corpus.Case) -> Iterator[bytes]:
    decoder = targets.FRAMINGS[_DECODERS[case.framing]](1 << 20)
    for frame in [*decoder.feed(case.body), *decoder.close()]:
        raw = frame.raw.replace(b"\n", b" ")
        yield raw if frame.event in ("", "message") else frame.event.encode() + b"\t" + raw


def _of_tap(_: str) -> Iterator[bytes]:
    for case in _cases():
        encoding = case.response["headers"].get("content-encoding", "")
        if case.framing not in _CONTENT_TYPES or encoding not in targets.ENCODINGS:
            continue
        asked = targets.APIS.index(case.api) + 1
        yield (
            bytes([asked, _CONTENT_TYPES[case.framing], 0, targets.ENCODINGS.index(encoding), 0, 0, 0, 0])
            + case.body
        )


def dictionary(target: str) -> list[bytes]:
    """Return the words that a blind mutation would hardly find: JSON member names and event names."""
    words = {b"data: ", b"event: ", b"\n\n", b"[DONE]", b"null", b"\\ud83d", b"1e999"}
    for seed in seeds(target)[:200]:
        words.update(re.findall(rb'"[a-z_.A-Z]{3,40}"', seed))
    return sorted(words)


def libfuzzer_dictionary(words: Iterable[bytes]) -> str:
    """Return the words in the format of libFuzzer's -dict: https://llvm.org/docs/LibFuzzer.html#dictionaries"""
    return "".join(f"{_quoted(word)}\n" for word in words)


def _quoted(word: bytes) -> str:
    text = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word)
    return f'"{text}"'
