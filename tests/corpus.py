"""The recorded provider streams of tests/recordings (its README.md says what is in them).

`streams`, `adversarial` and `http_errors` give cases; `expectations.differences` judges what one came to.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Case:
    """One exchange: the request, the exact response, and what it must come to."""

    id: str
    api: str
    category: str
    framing: str
    request: dict[str, Any]
    response: dict[str, Any] = field(repr=False)
    expected: dict[str, Any] = field(repr=False)
    alternates: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    chunkings: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    description: str = ""

    def __str__(self) -> str:
        return self.id

    @functools.cached_property
    def body(self) -> bytes:
        return _body(self.response)

    def cut(self, size: int) -> list[bytes]:
        """Return the body in pieces of `size` bytes."""
        return _cut(self.body, range(size, len(self.body), size))

    def cut_at_random(self, seed: int) -> list[bytes]:
        """Return the body in random pieces, the same for the same seed; some of them are empty."""
        chance = random.Random(f"{self.id}/{seed}")
        count = chance.randint(1, 40)
        return _cut(self.body, sorted(chance.randint(0, len(self.body)) for _ in range(count)))

    def pieces(self) -> Iterator[tuple[str, list[bytes]]]:
        """Yield (name, pieces) of every way of cutting that the case names; whole when it names none."""
        for chunking in self.chunkings or ({"name": "whole", "offsets": []},):
            offsets = chunking.get("offsets")
            yield (
                chunking["name"],
                self.cut(chunking["size"]) if offsets is None else _cut(self.body, offsets),
            )

    def replay_arguments(self, chunks: list[bytes] | None = None) -> dict[str, Any]:
        """Return the keyword arguments of `otel_stream.testing.replay`; whole without `chunks`."""
        return {
            "url": self.request["url"],
            "method": self.request["method"],
            "request_json": self.request["json"],
            "request_headers": self.request["headers"],
            "status": self.response["status"],
            "response_headers": self.response["headers"],
            "chunks": [self.body] if chunks is None else chunks,
        }


def _body(response: dict[str, Any]) -> bytes:
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    return b"".join(base64.b64decode(part["b64"]) * part["repeat"] for part in response["body_parts"])


def _cut(body: bytes, offsets: Iterable[int]) -> list[bytes]:
    cuts = [0, *offsets, len(body)]
    return [body[a:b] for a, b in itertools.pairwise(cuts)]


# -- loading ----------------------------------------------------------------------------------------


@functools.cache
def _load(name: str) -> Any:
    return json.loads((RECORDINGS / name).read_text("utf-8"))


def streams(*apis: str, framing: str | None = None) -> list[Case]:
    """Return the recorded streams of these APIs; of all without names."""
    return [
        _stream(row["file"])
        for row in _load("index.json")["streams"]
        if (not apis or row["api"] in apis) and framing in (None, row["framing"])
    ]


@functools.cache
def _stream(file: str) -> Case:
    raw = _load(file)
    return _case(raw, raw["request"], "recorded")


def stream(id: str) -> Case:
    """Return one recorded stream."""
    return _stream(f"streams/{id}.json")


def adversarial(*apis: str, category: str | None = None) -> list[Case]:
    """Return the adversarial cases of these APIs; of all without names."""
    files = sorted((RECORDINGS / "adversarial").glob(f"{category or '*'}.json"))
    return [
        _case(raw, _request_of(raw), raw["category"])
        for file in files
        for raw in _load(f"adversarial/{file.name}")
        if not apis or raw["api"] in apis
    ]


def http_errors(*apis: str) -> list[Case]:
    """Return the recorded HTTP errors of these APIs; of all without names."""
    return [
        _case(raw, raw["request"], "http_error")
        for raw in _load("http_errors.json")
        if not apis or raw["api"] in apis
    ]


def sse_format_cases() -> list[dict[str, Any]]:
    """Return the event-stream format cases as they stand, with the bytes as `input`."""
    return [{**raw, "input": base64.b64decode(raw["input_base64"])} for raw in _load("sse_format_cases.json")]


def _case(raw: dict[str, Any], request: dict[str, Any], category: str) -> Case:
    return Case(
        id=raw["id"],
        api=raw["api"],
        category=category,
        framing=raw.get("framing", "json"),
        request=request,
        response=raw["response"],
        expected=raw["expected"],
        alternates=tuple(raw.get("alternates", ())),
        chunkings=tuple(raw.get("chunkings", ())),
        description=raw.get("description", ""),
    )


def _request_of(raw: dict[str, Any]) -> dict[str, Any]:
    """The request of the base stream; a case without one takes that of any stream of its API."""
    if "base_id" in raw:
        return stream(raw["base_id"]).request
    return _any_request(raw["api"])


@functools.cache
def _any_request(api: str) -> dict[str, Any]:
    return streams(api)[0].request
