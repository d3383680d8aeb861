"""OpenAI chat completions, and the many services that speak the same dialect.

https://platform.openai.com/docs/api-reference/chat-streaming
Ends with `data: [DONE]`; `finish_reason` before it is a soft terminal, since the usage chunk follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.loose import NOT_JSON, LooseDecoder
from otel_stream.meaning import CallFacts, Frame, Meaning, Request, failure_of
from otel_stream.usage import ChatUsage, chat_usage


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Groq(msgspec.Struct, gc=False):
    usage: ChatUsage | None = None
    error: msgspec.Raw = msgspec.Raw()


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    error: msgspec.Raw = msgspec.Raw()
    x_groq: _Groq | None = None


class _Head(_Chunk, gc=False):
    """A chunk read for its head as well: each one is until id and model are known."""

    id: str | None = None
    model: str | None = None


_HEAD = LooseDecoder(_Head)
_CHUNK = LooseDecoder(_Chunk)


class OpenAIChat:
    """Reads the chunks of one chat completion. One instance per response."""

    name: ClassVar[str] = "openai_chat"
    provider: ClassVar[str] = "openai"
    endings: ClassVar[tuple[str, ...]] = ("completions",)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._done = False
        self._decode: Callable[[bytes], _Chunk] = _HEAD.strict

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/chat/completions` request, on any host and below any base path."""
        if request.method != "POST" or not request.path.rstrip("/").endswith("/chat/completions"):
            return None
        return facts(request, format=cls.name, provider=cls.provider, model=_deployment(request))

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is a chat completion chunk."""
        chunk = _HEAD.decode(frame.raw) if frame.raw[:1] == b"{" else None
        return chunk is not None and bool(chunk.choices) and any(c.delta for c in chunk.choices or ())

    def feed(self, frame: Frame) -> None:
        if self._done:
            return
        try:
            chunk = self._decode(frame.raw)
        except NOT_JSON:
            self._misfit(frame.raw)
        else:
            self._chunk(chunk)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        answer = _HEAD.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._chunk(answer)
        self._meaning.done()

    def _misfit(self, raw: bytes) -> None:
        """The end sentinel, a chunk with a surprise in it, or nothing of ours."""
        if raw.strip() == b"[DONE]":
            self._done = True
            self._meaning.done()
        elif (chunk := _HEAD.bend(raw)) is not None:
            self._chunk(chunk)
        else:
            self._meaning.skip("frame")

    def _chunk(self, chunk: _Chunk) -> None:
        """Written out in one piece up to the common case, one piece of text: this runs once per token."""
        meaning = self._meaning
        if isinstance(chunk, _Head):
            self._head(chunk)
        for choice in chunk.choices or ():
            delta = choice.delta or choice.message
            if delta is not None:
                if reasoning := delta.reasoning_content or delta.reasoning:
                    meaning.delta(reasoning, "reasoning", choice.index)
                if delta.content:
                    meaning.delta(delta.content, "output", choice.index)
                if delta.refusal or delta.tool_calls or delta.function_call:
                    self._rare(delta, choice.index)
            if choice.finish_reason:
                meaning.finish(choice.finish_reason, choice.index)
        if chunk.usage or chunk.x_groq:
            self._account(chunk)
        if chunk.error:
            self._fail(chunk.error)

    def _head(self, chunk: _Head) -> None:
        """Once id and model are known, chunks are read without them."""
        if chunk.id or chunk.model:
            self._meaning.head(chunk.id, chunk.model)
        if chunk.id and chunk.model:
            self._decode = _CHUNK.strict

    def _rare(self, delta: _Delta, index: int) -> None:
        meaning = self._meaning
        if delta.refusal:
            meaning.delta(delta.refusal, "refusal", index)
        for call in delta.tool_calls or ():
            self._tool_call(call, index)
        if (function := delta.function_call) is not None:
            arguments = function.arguments or ""
            meaning.tool_call((index, "function"), name=function.name, arguments=arguments, index=index)

    def _tool_call(self, call: _ToolCall, index: int) -> None:
        function = call.function or _Function()
        key = (index, call.id if call.index is None else call.index)
        self._meaning.tool_call(
            key, id=call.id, name=function.name, arguments=function.arguments or "", index=index
        )

    def _account(self, chunk: _Chunk) -> None:
        """Groq reports usage twice when asked for it: once is enough."""
        usage = chat_usage(chunk.usage)
        if usage is None and chunk.x_groq is not None:
            usage = chat_usage(chunk.x_groq.usage)
        if usage is not None:
            self._meaning.usage(usage)
        if chunk.x_groq is not None and chunk.x_groq.error:
            self._fail(chunk.x_groq.error)

    def _fail(self, error: msgspec.Raw) -> None:
        if (failure := failure_of(error)) is not None:
            self._meaning.error(failure)


def _deployment(request: Request) -> str | None:
    """Return Azure's deployment name, which stands in the path when the body names no model."""
    _, found, rest = request.path.partition("/deployments/")
    return None if not found or "model" in request.fields else rest.partition("/")[0] or None
