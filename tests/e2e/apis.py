"""The APIs that `upstream` speaks: a recorded answer of each, how it refuses, and how it fails half-way.

Standard library only; runs under whatever Python starts the provider.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

STREAMS = Path(__file__).parents[1] / "recordings" / "streams"

BUSY = "Rate limit reached, try again later"
BROKEN = "The server had an error while processing your request"


NO_HEADERS: dict[str, str] = {}


class Api(NamedTuple):
    """One API. `refusal` is the JSON body of a 429, `failure` the frame that tells of an error half-way."""

    recording: str
    refusal: dict[str, Any]
    failure: bytes
    refusal_headers: dict[str, str] = NO_HEADERS
    held_after: int = 0
    """Frames after which a stream that is to be held stops; some text has been sent by then."""


class Answer(NamedTuple):
    """What a whole answer is made of."""

    headers: dict[str, str]
    frames: tuple[bytes, ...]
    model: str
    text: str
    input_tokens: int
    output_tokens: int


def event(name: str, payload: object) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(payload)}\n\n".encode()


def aws_exception(kind: str, payload: object) -> bytes:
    """https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html"""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return message + struct.pack(">I", zlib.crc32(message))


def _openai(kind: str) -> dict[str, Any]:
    return {"error": {"message": BUSY, "type": kind, "param": None, "code": "rate_limit_exceeded"}}


_CHAT_FAILURE = event("", {"error": {"message": BROKEN, "type": "server_error", "param": None, "code": None}})
_THROTTLED = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"}

APIS: dict[str, Api] = {
    "openai.chat": Api("openai-chat-015", _openai("requests"), _CHAT_FAILURE, held_after=4),
    "openai.responses": Api(
        "openai-responses-002",
        _openai("requests"),
        event(
            "error",
            {"type": "error", "code": "server_error", "message": BROKEN, "param": None, "sequence_number": 8},
        ),
        held_after=8,
    ),
    "anthropic.messages": Api(
        "anthropic-messages-004",
        {"type": "error", "error": {"type": "rate_limit_error", "message": BUSY}},
        event("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        held_after=6,
    ),
    "gemini.generate_content": Api(
        "gemini-generate_content-005",
        {"error": {"code": 429, "message": BUSY, "status": "RESOURCE_EXHAUSTED"}},
        event("", {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
        held_after=3,
    ),
    "bedrock.converse": Api(
        "bedrock-converse-001",
        {"message": BUSY},
        aws_exception("modelStreamErrorException", {"message": BROKEN, "originalStatusCode": 500}),
        _THROTTLED,
        held_after=5,
    ),
    "bedrock.invoke": Api(
        "bedrock-invoke-003",
        {"message": BUSY},
        aws_exception("modelStreamErrorException", {"message": BROKEN, "originalStatusCode": 500}),
        _THROTTLED,
        held_after=6,
    ),
    "cohere.chat": Api(
        "cohere-chat-002",
        {"id": "1", "message": BUSY},
        event(
            "message-end",
            {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": BROKEN, "usage": None}},
        ),
        held_after=6,
    ),
    "mistral.chat": Api(
        "mistral-chat-007",
        {"object": "error", "message": BUSY, "type": "rate_limited", "param": None, "code": "1300"},
        event("", {"object": "error", "message": BROKEN, "type": "internal_server_error", "code": "3700"}),
        held_after=4,
    ),
    "groq.chat": Api(
        "groq-chat-003",
        _openai("tokens"),
        event("error", {"error": {"message": BROKEN, "type": "server_error", "status_code": 500}}),
        held_after=40,
    ),
    "ollama.chat": Api(
        "ollama-chat-001",
        {"error": BUSY},
        json.dumps({"error": BROKEN}).encode() + b"\n",
        held_after=3,
    ),
}


@functools.cache
def answer(api: str) -> Answer:
    """Return the recorded answer of an API, cut where its frames end."""
    raw = json.loads((STREAMS / f"{APIS[api].recording}.json").read_text("utf-8"))
    body = base64.b64decode(raw["response"]["body_base64"])
    expected = raw["expected"]
    return Answer(
        raw["response"]["headers"],
        tuple(_FRAMINGS[raw["framing"]](body)),
        expected["response_model"] or raw["model_requested"],
        expected["text"],
        expected["usage"]["input_tokens"],
        expected["usage"]["output_tokens"],
    )


def _events(body: bytes) -> list[bytes]:
    return [frame for frame in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body) if frame]


def _messages(body: bytes) -> list[bytes]:
    frames = []
    while body:
        (length,) = struct.unpack_from(">I", body)
        frames.append(body[:length])
        body = body[length:]
    return frames


_FRAMINGS = {
    "sse": _events,
    "ndjson": lambda body: body.splitlines(keepends=True),
    "aws_eventstream": _messages,
}


def of_path(path: str) -> str | None:
    """Return the API that a request's path belongs to; prefixes in front of it do not matter."""
    path = path.partition("?")[0]
    return next((api for pattern, api in _PATHS if re.search(pattern, path)), None)


_PATHS = (
    ("/groq/.*/chat/completions$", "groq.chat"),
    ("/mistral/.*/chat/completions$", "mistral.chat"),
    ("/chat/completions$", "openai.chat"),
    ("/v1/messages$", "anthropic.messages"),
    ("/responses$", "openai.responses"),
    (":streamGenerateContent$", "gemini.generate_content"),
    ("/converse-stream$", "bedrock.converse"),
    ("/invoke-with-response-stream$", "bedrock.invoke"),
    ("/v2/chat$", "cohere.chat"),
    ("/api/chat$", "ollama.chat"),
)
