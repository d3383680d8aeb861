"""OpenAI chat completions, and the many services that speak the same dialect.

https://platform.openai.com/docs/api-reference/chat-streaming
Ends with `data: [DONE]`; `finish_reason` before it is a soft terminal, since the usage chunk follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import msgspec

from otel_stream.facts import deployment, facts
from otel_stream.failures import failure_of, read_failure, unknown
from otel_stream.loose import NOT_JSON, LooseDecoder
from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.usage import ChatUsage, chat_usage

MAX_TOOLS = 1024  # tool calls of one answer that are told apart
_PATH = re.compile(r"/(chat|fim|agents)/completions$|/cortex/inference:complete$").search
"""Everybody's, Mistral's two others, Snowflake's."""
_PATH_WITH_MESSAGES = re.compile(
    r"/serving-endpoints/[^/]+/invocations$|^(?!.*/publishers/anthropic/).*:(streamR|r)awPredict$"
).search
"""Databricks's and Vertex's, where models of other kinds are asked as well."""
_ERROR = re.compile(rb"error|\"detail\"", re.IGNORECASE).search


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None  # a tool whose input is free text


class _Part(msgspec.Struct, gc=False):
    """Content where it is more than text: Mistral's, and Databricks's with a `summary` of the reasoning."""

    text: str | None = None
    thinking: str | list[_Part] | None = None
    summary: list[_Part] | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[_Part] | None = None
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
    usage: ChatUsage | None = None  # Moonshot's place for it
    error: msgspec.Raw = msgspec.Raw()


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
    endings: ClassVar[tuple[str, ...]] = (
        "completions", "chat", "streamRawPredict", "rawPredict", "complete", "invocations",
    )  # fmt: skip

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._done = False
        self._named = False  # id and model are known
        self._calls: dict[tuple[int, int | None], str | None] = {}  # (choice, index) → id of the call there
        self._decode: Callable[[bytes], _Chunk] = _HEAD.strict

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/chat/completions` request, on any host and below any base path."""
        path = request.path.rstrip("/")
        writer = path.endswith("/v1/chat") and request.host.endswith("writer.com")  # Cohere's elsewhere
        shared = _PATH_WITH_MESSAGES(path) and (request.body is None or "messages" in request.fields)
        if request.method != "POST" or not (writer or shared or _PATH(path)):
            return None
        return facts(request, format=cls.name, provider=cls.provider, model=deployment(request))

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
            self._misfit(frame)
        else:
            self._chunk(chunk)
            if chunk.choices is None:
                self._bare(chunk, frame)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        answer = _HEAD.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._chunk(answer)
        self._meaning.done()

    def _misfit(self, frame: Frame) -> None:
        """The end sentinel, a chunk with a surprise in it, or nothing of ours."""
        if frame.raw.strip() == b"[DONE]":
            self._done = True
            self._meaning.done()
        elif (chunk := _HEAD.bend(frame.raw)) is not None:
            self._chunk(chunk)
        else:
            unknown(self._meaning, frame)

    def _chunk(self, chunk: _Chunk) -> None:
        """Written out in one piece up to the common case, one piece of text: this runs once per token."""
        meaning = self._meaning
        if not self._named and isinstance(chunk, _Head):
            self._head(chunk)
        for choice in chunk.choices or ():
            delta = choice.message if choice.delta is None else choice.delta
            if delta is not None:
                if reasoning := delta.reasoning_content or delta.reasoning:
                    meaning.delta(reasoning, "reasoning", choice.index)
                if content := delta.content:
                    if isinstance(content, str):
                        meaning.delta(content, "output", choice.index)
                    else:
                        self._parts(content, choice.index)
                if delta.refusal or delta.tool_calls or delta.function_call:
                    self._rare(delta, choice.index)
            if choice.finish_reason:
                self._finish(choice, choice.finish_reason)
        if chunk.usage is not None or chunk.x_groq is not None or chunk.error:
            self._account(chunk)

    def _head(self, chunk: _Head) -> None:
        """Once id and model are known, chunks are read without them."""
        if chunk.id or chunk.model:
            self._meaning.head(chunk.id, chunk.model)
        if chunk.id and chunk.model:
            self._decode = _CHUNK.strict
            self._named = True

    def _rare(self, delta: _Delta, index: int) -> None:
        meaning = self._meaning
        if delta.refusal:
            meaning.delta(delta.refusal, "refusal", index)
        for call in delta.tool_calls or ():
            self._tool_call(call, index)
        if (function := delta.function_call) is not None:
            arguments = function.arguments or ""
            meaning.tool_call((index, "function"), name=function.name, arguments=arguments, index=index)

    def _parts(self, parts: list[_Part], index: int) -> None:
        for part in parts:
            thoughts = [_Part(part.thinking)] if isinstance(part.thinking, str) else part.thinking
            for thought in thoughts or part.summary or ():
                if thought.text:
                    self._meaning.delta(thought.text, "reasoning", index)
            if part.text:
                self._meaning.delta(part.text, "output", index)

    def _tool_call(self, call: _ToolCall, index: int) -> None:
        function = call.function or call.custom or _Function()
        key, arguments = self._key(call, function.name, index), function.arguments or function.input or ""
        self._meaning.tool_call(key, id=call.id, name=function.name, arguments=arguments, index=index)

    def _key(self, call: _ToolCall, name: str | None, index: int) -> Hashable:
        """Calls are told apart by index; some services leave it out, others give each call the same one.

        There a call begins where an id is new; with an index only if a name comes with it, since others
        again make up an id for every piece of one call.
        """
        place = (index, call.index)
        known = self._calls.get(place)
        if call.id and call.id != known and (known is None or name or call.index is None):
            known = call.id
            if len(self._calls) < MAX_TOOLS or place in self._calls:
                self._calls[place] = known
        return (place, known)

    def _finish(self, choice: _Choice, reason: str) -> None:
        self._meaning.finish(reason, choice.index)
        if (usage := chat_usage(choice.usage)) is not None:
            self._meaning.usage(usage)
        self._fail(choice.error)

    def _bare(self, chunk: _Chunk, frame: Frame) -> None:
        """A chunk without choices: usage, an error as `error`, or one that is nothing but an error."""
        if chunk.usage or chunk.x_groq or chunk.error:
            return
        failure = read_failure(frame.raw) if _ERROR(frame.raw) else None
        if failure is not None:
            self._meaning.error(failure)
        else:
            unknown(self._meaning, frame, "chunk")

    def _account(self, chunk: _Chunk) -> None:
        """Groq reports usage twice when asked for it: once is enough."""
        groq = chunk.x_groq or _Groq()
        if (usage := chat_usage(chunk.usage) or chat_usage(groq.usage)) is not None:
            self._meaning.usage(usage)
        self._fail(chunk.error)
        self._fail(groq.error)

    def _fail(self, error: msgspec.Raw) -> None:
        if (failure := failure_of(error)) is not None:
            self._meaning.error(failure)
