"""Amazon Bedrock `Converse` and `ConverseStream`, and Nova's own answers, which have the same shape.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
Streams as an AWS event stream whose event types name the payloads; under `InvokeModel` Nova wraps each
payload in an object with that name. `messageStop` is a soft terminal, `metadata` with the usage a hard one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from otel_stream.bedrock import BedrockUsage, bedrock_usage, failure_in, model_of
from otel_stream.facts import facts, settings
from otel_stream.loose import LooseDecoder, json_value
from otel_stream.meaning import CallFacts, Frame, Meaning, Request

_SETTINGS = {
    "temperature": "temperature",
    "topP": "top_p",
    "maxTokens": "max_tokens",
    "stopSequences": "stop_sequences",
}
"""`inferenceConfig`: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html"""


class _ToolUse(msgspec.Struct, rename="camel", gc=False):
    tool_use_id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class _ToolDelta(msgspec.Struct, gc=False):
    input: str | None = None


class _Text(msgspec.Struct, gc=False):
    text: str | None = None


class _Reasoning(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    reasoning_text: _Text | None = None
    """Its place in a whole answer."""


class _Delta(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolDelta | None = None


class _Start(msgspec.Struct, rename="camel", gc=False):
    tool_use: _ToolUse | None = None


class _Event(msgspec.Struct, rename="camel", gc=False):
    """The payload of every event type; each has some of the members."""

    content_block_index: int = 0
    delta: _Delta | None = None
    start: _Start | None = None
    stop_reason: str | None = None
    usage: BedrockUsage | None = None


class _Wrapped(msgspec.Struct, rename="camel", gc=False):
    """Nova's events: a member named like the event type, and what the service adds."""

    content_block_delta: _Event | None = None
    content_block_start: _Event | None = None
    content_block_stop: _Event | None = None
    message_start: _Event | None = None
    message_stop: _Event | None = None
    metadata: _Event | None = None


class _Citations(msgspec.Struct, gc=False):
    content: list[_Text] | None = None


class _Block(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    citations_content: _Citations | None = None
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolUse | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block] | None = None


class _Output(msgspec.Struct, gc=False):
    message: _Message | None = None


class _Answer(msgspec.Struct, rename="camel", gc=False):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: BedrockUsage | None = None


_EVENT = LooseDecoder(_Event)
_WRAPPED = LooseDecoder(_Wrapped)
_ANSWER = LooseDecoder(_Answer)


class BedrockConverse:
    """Reads the events of one message. One instance per response."""

    name: ClassVar[str] = "bedrock_converse"
    provider: ClassVar[str] = "aws.bedrock"
    endings: ClassVar[tuple[str, ...]] = ("converse-stream", "converse")

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of `/model/{id}/converse` and its streaming form."""
        model = model_of(request.path, cls.endings)
        if request.method != "POST" or model is None:
            return None
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            model=model,
            streaming=request.path.rstrip("/").endswith("-stream"),
            attributes=settings(request, "inferenceConfig", _SETTINGS),
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is `messageStart`."""
        return frame.event == "messageStart" and frame.raw[:1] == b"{"

    def feed(self, frame: Frame) -> None:
        handler = self._handlers.get(frame.event)
        if handler is None:
            self._other(frame)
        elif (event := _EVENT.decode(frame.raw)) is not None:
            handler(self, event)
        else:
            self._meaning.skip("frame")

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        answer = _ANSWER.decode(body)
        if answer is None or answer.output is None:
            self._meaning.skip("body")
            return
        message = answer.output.message or _Message()
        for index, block in enumerate(message.content or ()):
            self._block(block, index)
        self._meaning.finish(answer.stop_reason)
        if answer.usage is not None:
            self._meaning.usage(bedrock_usage(answer.usage))
        self._meaning.done()

    def _other(self, frame: Frame) -> None:
        """An event that Nova wrapped, an exception, or an event that nobody knows."""
        wrapped = None if frame.event else _WRAPPED.decode(frame.raw)
        if wrapped is not None and wrapped.content_block_delta is not None:
            self._block_delta(wrapped.content_block_delta)
        elif wrapped is not None:
            self._unwrap(wrapped)
        elif (failure := failure_in(frame)) is not None:
            self._meaning.error(failure)
        else:
            self._meaning.skip(frame.event or "frame")

    def _unwrap(self, wrapped: _Wrapped) -> None:
        if wrapped.content_block_start is not None:
            self._block_start(wrapped.content_block_start)
        elif wrapped.message_stop is not None:
            self._message_stop(wrapped.message_stop)
        elif wrapped.metadata is not None:
            self._metadata(wrapped.metadata)
        elif wrapped.message_start is None and wrapped.content_block_stop is None:
            self._meaning.skip("event")

    def _block_delta(self, event: _Event) -> None:
        delta = event.delta or _Delta()
        if delta.text:
            self._meaning.delta(delta.text)
        elif delta.reasoning_content is not None:
            if delta.reasoning_content.text:
                self._meaning.delta(delta.reasoning_content.text, "reasoning")
        elif delta.tool_use is not None and delta.tool_use.input:
            self._meaning.tool_call(event.content_block_index, arguments=delta.tool_use.input)

    def _block_start(self, event: _Event) -> None:
        if event.start is not None and (call := event.start.tool_use) is not None:
            self._meaning.tool_call(event.content_block_index, id=call.tool_use_id, name=call.name)

    def _block(self, block: _Block, index: int) -> None:
        """A block of a whole answer."""
        reasoning = block.reasoning_content and block.reasoning_content.reasoning_text
        if block.text:
            self._meaning.delta(block.text)
        elif reasoning and reasoning.text:
            self._meaning.delta(reasoning.text, "reasoning")
        elif (call := block.tool_use) is not None:
            arguments = json_value(call.input)
            self._meaning.tool_call(index, id=call.tool_use_id, name=call.name, arguments=arguments)
        for piece in (block.citations_content or _Citations()).content or ():
            if piece.text:
                self._meaning.delta(piece.text)

    def _message_stop(self, event: _Event) -> None:
        self._meaning.finish(event.stop_reason)

    def _metadata(self, event: _Event) -> None:
        if event.usage is not None:
            self._meaning.usage(bedrock_usage(event.usage))
        self._meaning.done()

    def _nothing(self, event: _Event) -> None:
        """Events that carry nothing we tell."""

    _handlers: ClassVar[dict[str, Callable[[BedrockConverse, _Event], None]]] = {
        "contentBlockDelta": _block_delta,
        "contentBlockStart": _block_start,
        "messageStop": _message_stop,
        "metadata": _metadata,
        "messageStart": _nothing,
        "contentBlockStop": _nothing,
        "initial-response": _nothing,
    }
