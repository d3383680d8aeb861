"""Gemini `generateContent` and `streamGenerateContent`, at Google's AI Studio and at Vertex AI.

https://ai.google.dev/api/generate-content
Streams as server-sent events (`alt=sse`) or as one JSON array; both end with the body, after a
`finishReason`. Function calls come whole, or as values at JSON paths. Usage is cumulative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from otel_stream.events import Channel
from otel_stream.facts import facts, settings
from otel_stream.failures import failure_of, unknown
from otel_stream.framing import Payload
from otel_stream.gemini import GeminiUsage, gemini_usage, with_audio
from otel_stream.loose import NOT_JSON, LooseDecoder, json_value
from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.partial_args import PartialArg, PartialArguments

_SETTINGS = {
    "temperature": "temperature", "topP": "top_p", "topK": "top_k", "maxOutputTokens": "max_tokens",
    "stopSequences": "stop_sequences", "seed": "seed", "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}  # fmt: skip
"""`generationConfig`: https://ai.google.dev/api/generate-content#generationconfig"""


class _Call(msgspec.Struct, rename="camel", gc=False):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class _Part(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    thought: bool | None = None
    function_call: _Call | None = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: str | int | None = None
    """A word, or its number in the protocol buffer where the request asks for that (`enum-encoding=int`)."""
    index: int = 0


class _Chunk(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Candidate] | None = None
    usage_metadata: GeminiUsage | None = None
    prompt_feedback: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Head(_Chunk, rename="camel", gc=False):
    """A chunk read for its head as well: each one is until id and model are known."""

    response_id: str | None = None
    model_version: str | None = None


class _Thinking(msgspec.Struct, rename="camel", gc=False):
    thinking_level: str | None = None


class _Config(msgspec.Struct, rename="camel", gc=False):
    candidate_count: int | None = None
    response_mime_type: str | None = None
    thinking_config: _Thinking | None = None


_HEAD = LooseDecoder(_Head)
_CHUNK = LooseDecoder(_Chunk)


class GeminiGenerate:
    """Reads the chunks of one generated content. One instance per response."""

    name: ClassVar[str] = "gemini_generate"
    provider: ClassVar[str] = "gcp.gemini"
    endings: ClassVar[tuple[str, ...]] = ("streamGenerateContent", "generateContent")

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._calls = 0
        self._named = False  # id and model are known
        self._finished = False
        self._partial: PartialArguments | None = None  # of the call whose arguments are coming in
        self._decode: Callable[[bytes], _Chunk] = _HEAD.strict

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of `…/models/{model}:generateContent` and its streaming form."""
        above, _, verb = request.path.rpartition(":")
        if request.method != "POST" or verb not in cls.endings:
            return None
        return facts(
            request,
            format=cls.name,
            provider="gcp.vertex_ai" if "/publishers/" in above or "/projects/" in above else cls.provider,
            operation="generate_content",
            model=above.rpartition("/")[2],
            streaming=verb == "streamGenerateContent",
            attributes=_attributes(request),
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame has candidates as Gemini has them."""
        chunk = _HEAD.decode(frame.raw) if frame.raw[:1] == b"{" else None
        return chunk is not None and bool(chunk.candidates) and any(c.content for c in chunk.candidates or ())

    def feed(self, frame: Frame) -> None:
        try:
            chunk = self._decode(frame.raw)
        except NOT_JSON:
            self._misfit(frame)
        else:
            self._chunk(chunk, frame)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: one chunk with all there is."""
        answer = _HEAD.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._chunk(answer, Payload(body))
        self._meaning.done()

    def _misfit(self, frame: Frame) -> None:
        chunk = _HEAD.bend(frame.raw)
        if chunk is None:
            unknown(self._meaning, frame)
        else:
            self._chunk(chunk, frame)

    def _chunk(self, chunk: _Chunk, frame: Frame) -> None:
        """Written out in one piece up to the common case, one piece of text: this runs once per token."""
        if not self._named and isinstance(chunk, _Head):
            self._head(chunk)
        for candidate in chunk.candidates or ():
            if candidate.content is not None:
                for part in candidate.content.parts or ():
                    if part.text:
                        channel: Channel = "reasoning" if part.thought else "output"
                        self._meaning.delta(part.text, channel, candidate.index)
                    elif part.function_call is not None:
                        self._call(part.function_call, candidate.index)
            if candidate.finish_reason:
                self._finish(str(candidate.finish_reason), candidate.index)
        if chunk.usage_metadata is not None and (usage := gemini_usage(chunk.usage_metadata)) is not None:
            self._meaning.usage(with_audio(usage, frame.raw) if self._finished else usage)
        if chunk.candidates is None or chunk.error:
            self._other(chunk, frame)

    def _finish(self, reason: str, index: int) -> None:
        self._finished = True
        self._end_call(index)
        self._meaning.finish(reason, index)

    def _other(self, chunk: _Chunk, frame: Frame) -> None:
        """A chunk without candidates: an error, why a prompt was refused, counts, or nothing of ours."""
        if chunk.error and (failure := failure_of(chunk.error)) is not None:
            self._meaning.error(failure)
        elif chunk.usage_metadata is None and chunk.candidates is None and not chunk.prompt_feedback:
            unknown(self._meaning, frame, "chunk")

    def _head(self, chunk: _Head) -> None:
        """Once id and model are known, chunks are read without them."""
        if chunk.response_id or chunk.model_version:
            self._meaning.head(chunk.response_id, chunk.model_version)
        if chunk.response_id and chunk.model_version:
            self._decode = _CHUNK.strict
            self._named = True

    def _call(self, call: _Call, index: int) -> None:
        """A call begins with its name; its arguments come with it, or after it until it does not continue."""
        if call.name:
            self._end_call(index)
            self._calls += 1
            arguments = json_value(call.args)
            self._meaning.tool_call(self._calls, id=call.id, name=call.name, arguments=arguments, index=index)
            if call.will_continue or call.partial_args:
                self._partial = PartialArguments()
        if self._partial is not None:
            for part in call.partial_args or ():
                self._partial.add(part)
            if not call.will_continue:
                self._end_call(index)

    def _end_call(self, index: int) -> None:
        if self._partial is not None:
            self._meaning.tool_call(self._calls, arguments=self._partial.value(), index=index)
            self._partial = None


def _attributes(request: Request) -> dict[str, Any]:
    found = settings(request, "generationConfig", _SETTINGS)
    config = request.get("generationConfig", _Config) or _Config()
    if config.candidate_count is not None and config.candidate_count != 1:
        found["gen_ai.request.choice.count"] = config.candidate_count
    if config.response_mime_type == "application/json":
        found["gen_ai.output.type"] = "json"
    if config.thinking_config is not None and config.thinking_config.thinking_level:
        found["gen_ai.request.reasoning.level"] = config.thinking_config.thinking_level
    return found
