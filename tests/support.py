"""What each format yields, found by replaying every recording: the tables of docs/formats.md."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable

import corpus
import msgspec

from otel_stream import wire
from otel_stream.meaning import Request
from otel_stream.testing import Replay, replay

FRAMINGS = {
    "sse": "SSE",
    "ndjson": "NDJSON",
    "json_array": "JSON array",
    "aws_eventstream": "AWS event stream",
}


def _counts(name: str) -> Callable[[Replay], object]:
    return lambda found: found.usage is not None and found.usage[name]


YIELDS: dict[str, Callable[[Replay], object]] = {
    "text": lambda found: found.text,
    "reasoning": lambda found: found.reasoning_text,
    "refusal": lambda found: found.refusal_text,
    "tool calls": lambda found: found.tool_calls,
    "usage": lambda found: found.usage,
    "cache read": _counts("cache_read_tokens"),
    "cache write": _counts("cache_write_tokens"),
    "reasoning tokens": _counts("reasoning_tokens"),
    "finish reason": lambda found: found.finish_reasons,
    "model": lambda found: found.response_model,
    "error in the stream": lambda found: found.error is not None,
}
"""Column → whether a replay has it."""


@functools.cache
def _replays() -> dict[str, list[tuple[corpus.Case, Replay]]]:
    """Return all recordings of streams by the name of the format that reads them."""
    found: dict[str, list[tuple[corpus.Case, Replay]]] = defaultdict(list)
    for case in [*corpus.streams(), *corpus.adversarial()]:
        result = replay(**case.replay_arguments())
        if result.facts is not None and case.response["status"] < 400:
            found[result.facts.format].append((case, result))
    return found


def formats() -> str:
    """Return the table of formats as Markdown."""
    columns = ("format", "framing", *YIELDS, "HTTP error")
    rows = [_row(format.name, _replays()[format.name]) for format in wire.FORMATS]
    return markdown(columns, sorted(rows))


def _row(name: str, replays: list[tuple[corpus.Case, Replay]]) -> list[str]:
    framings = sorted({FRAMINGS[case.framing] for case, _ in replays if case.framing in FRAMINGS})
    yields = [_mark(any(has(found) for _, found in replays)) for has in YIELDS.values()]
    return [f"`{name}`", ", ".join(framings), *yields, _mark(name in _with_http_errors())]


@functools.cache
def _with_http_errors() -> set[str]:
    cases = [*corpus.http_errors(), *corpus.adversarial(category="http_error")]
    found = [replay(**case.replay_arguments()) for case in cases]
    return {result.facts.format for result in found if result.facts is not None and result.error is not None}


def apis() -> str:
    """Return the table of recorded APIs as Markdown."""
    rows = [_api(api) for api in sorted({case.api for case in corpus.streams()})]
    return markdown(("recorded API", "read as", "provider", "operation", "recordings"), rows)


def _api(api: str) -> list[str]:
    cases = corpus.streams(api)
    formats, providers, operations = zip(*filter(None, map(_facts, cases)), strict=True)
    named = [
        ", ".join(f"`{word}`" for word in sorted(set(words))) for words in (formats, providers, operations)
    ]
    return [api, *named, str(len(cases))]


def _facts(case: corpus.Case) -> tuple[str, str, str] | None:
    body = None if case.request["json"] is None else msgspec.json.encode(case.request["json"])
    found = wire.recognise(
        Request(case.request["method"], case.request["url"], case.request["headers"], body)
    )
    return None if found is None else (found[0].name, found[1].provider, found[1].operation)


def _mark(yes: object) -> str:
    return "✓" if yes else ""


def markdown(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [columns, ["---" for _ in columns], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
