"""What frames mean: the words between the wire formats and the recorder.

Formats read a `Request`, and tell what frames mean by calling the methods of a `Meaning`; the recorder
is one, a test's list of calls is another. Calls instead of returned objects: a call costs half as much.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from otel_stream.events import Channel
from otel_stream.framing import Frame

__all__ = ["CallFacts", "Failure", "Frame", "Meaning", "Request", "Usage"]

T = TypeVar("T")

LARGE_PROMPT_BYTES = 64 << 10  # larger members are searched for base64 even where nothing says so

_RAW_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")  # half an emoji, say; msgspec refuses lone ones
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/=_-]{512,}")
_PROMPT_FIELDS = (
    "messages", "input", "prompt", "contents", "system", "systemInstruction",
    "system_instruction", "instructions", "tools", "toolConfig", "message", "chat_history", "inputText",
)  # fmt: skip


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts by the semantic conventions: input includes cached, output includes reasoning.

    None is "not reported". `cost_usd` is what the provider says the call cost.
    https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cost_usd: Decimal | None = None


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An error the provider told, in the stream or as an HTTP body; values as they stand on the wire."""

    type: str | None
    code: str | None
    message: str | None


class Meaning(Protocol):
    """What a format calls while it reads frames. Every method may be called at any time, in any order."""

    def head(self, response_id: str | None = None, model: str | None = None) -> None:
        """The answer's id and model; the first non-empty value of each counts."""

    def answered_by(self, model: str) -> None:
        """Another model than the one told first gives the answer."""

    def delta(self, text: str, channel: Channel = "output", index: int = 0) -> None:
        """A non-empty piece of text of the choice `index`."""

    def tool_call(
        self,
        key: Hashable,
        *,
        id: str | None = None,
        name: str | None = None,
        arguments: object = "",
        index: int = 0,
    ) -> None:
        """A client function call begins or goes on; `key` is the same for all its pieces.

        `arguments` is the next piece of the JSON text where the wire has text, else the JSON value.
        """

    def finish(self, reason: str | None, index: int = 0) -> None:
        """Soft terminal: the choice ended for this reason (the provider's word); more frames may follow."""

    def done(self) -> None:
        """Hard terminal: the answer is complete, whatever the transport does next."""

    def usage(self, usage: Usage) -> None:
        """Token counts so far; the last call wins, whole."""

    def error(self, failure: Failure) -> None:
        """The provider reported an error; it wins over any terminal that follows."""

    def skip(self, kind: str) -> None:
        """A frame or value that is not understood; counted."""


class Request:
    """An HTTP request as a tap sees it. Lives until the call is recognised; holds no copy of the body."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> None:
        """`headers` has lower-case names; `body` is None when it cannot be read without consuming it."""
        self.method = method.upper()
        self.url = url
        self.headers = headers
        self.body = body

    @cached_property
    def parts(self) -> tuple[str, int | None, str, str]:
        """(host, port, path, query); empty and None where the URL is not understood."""
        try:
            split = urlsplit(self.url)
            port = split.port
        except ValueError:
            return ("", None, "", "")
        return (split.hostname or "", port, split.path, split.query)

    @property
    def host(self) -> str:
        return self.parts[0]

    @property
    def path(self) -> str:
        return self.parts[2]

    @property
    def query(self) -> str:
        return self.parts[3]

    @cached_property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The top-level members of the JSON body, undecoded; empty when the body is no JSON object."""
        if not self.body:
            return {}
        found = _fields(self.body)
        if not found and b"\\ud" in self.body.lower():
            found = _fields(_SURROGATE.sub(rb"\\ufffd", self.body))
        return found

    def get(self, name: str, type: type[T]) -> T | None:
        """Return the member of the JSON body, or None when it is missing, null or of another type."""
        raw = self.fields.get(name)
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=type)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None

    @cached_property
    def prompt_characters(self) -> int:
        """About how many characters the model was given to read; base64 payloads are left out."""
        return sum(_characters(bytes(raw)) for name in _PROMPT_FIELDS if (raw := self.fields.get(name)))


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _RAW_FIELDS.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def _characters(raw: bytes) -> int:
    if b"base64" in raw or len(raw) > LARGE_PROMPT_BYTES:
        raw = _BASE64_RUN.sub(b"", raw)
    return len(raw)


class CallFacts(msgspec.Struct, frozen=True):
    """What the request says of the call, before any answer: the span's start attributes come from here."""

    provider: str
    operation: str
    model: str
    format: str
    streaming: bool = True
    server_address: str | None = None
    server_port: int | None = None
    attributes: dict[str, Any] = {}
    """Request attributes under their semantic-convention names."""
    prompt_characters: int = 0
