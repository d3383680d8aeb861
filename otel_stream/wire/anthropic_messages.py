"""Anthropic Messages, at Anthropic's own API and wherever it is served in the same shape.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
Ends with `message_stop`; `message_delta.stop_reason` is a soft terminal. Usage is cumulative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.failures import failure_of, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request, Usage
from otel_stream.usage import Tokens

MAX_TOOLS = 1024  # tool calls of one answer that are told apart


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: Tokens | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    output_tokens_details: _OutputDetails | None = None


class _Model(msgspec.Struct, gc=False):
    model: str | None = None


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    id: str | None = None
    name: str | None = None
    text: str | None = None
    thinking: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    to: _Model | None = None
    """The model that takes over in a `fallback` block."""


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_USAGE_FIELDS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


_QUIET_DELTAS = frozenset(("signature_delta", "citations_delta", "compaction_delta", "input_json_delta"))


class AnthropicMessages:
    """Reads the events of one message. One instance per response."""

    name: ClassVar[str] = "anthropic_messages"
    provider: ClassVar[str] = "anthropic"
    endings: ClassVar[tuple[str, ...]] = ("messages", "streamRawPredict", "rawPredict")
    decoder: ClassVar[LooseDecoder[_Event]] = LooseDecoder(_Event)
    body_decoder: ClassVar[LooseDecoder[_Message]] = LooseDecoder(_Message)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._done = False
        self._usage: dict[str, int] = {}
        self._tools: set[int] = set()  # indices of the blocks that are calls of the client's tools

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/messages` request that has Anthropic's required `max_tokens`.

        Vertex has the model in the path and tells streaming by it:
        https://docs.anthropic.com/en/api/claude-on-vertex-ai
        """
        path = request.path.rstrip("/")
        if request.method != "POST":
            return None
        if path.endswith(("RawPredict", "rawPredict")):
            return cls._at_vertex(request, path)
        if not path.endswith("/messages"):
            return None
        anthropic = "anthropic-version" in request.headers or request.host.endswith("anthropic.com")
        if not anthropic and not {"messages", "max_tokens"} <= request.fields.keys():
            return None
        return facts(request, format=cls.name, provider=cls.provider)

    @classmethod
    def _at_vertex(cls, request: Request, path: str) -> CallFacts | None:
        _, found, model = path.partition("/publishers/anthropic/models/")
        model, _, verb = model.rpartition(":")
        streaming = verb == "streamRawPredict"
        if not found:
            return None
        return facts(request, format=cls.name, provider=cls.provider, model=model, streaming=streaming)

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is `message_start`."""
        event = cls.decoder.decode(frame.raw)
        return event is not None and event.type == "message_start" and event.message is not None

    def feed(self, frame: Frame) -> None:
        if self._done:
            return
        event = self.decoder.decode(frame.raw)
        handler = None if event is None else self._handlers.get(event.type)
        if event is None or handler is None:
            unknown(self._meaning, frame, "frame" if event is None else event.type)
        else:
            handler(self, event)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: the same message, with its content complete."""
        message = self.body_decoder.decode(body)
        if message is None:
            self._meaning.skip("body")
            return
        self._head(message)
        for index, block in enumerate(message.content or ()):
            self._block(block, index)
        self._meaning.finish(message.stop_reason)
        self._meaning.done()

    def _message_start(self, event: _Event) -> None:
        if event.message is not None:
            self._head(event.message)

    def _head(self, message: _Message) -> None:
        self._meaning.head(message.id, message.model)
        self._account(message.usage)

    def _block_start(self, event: _Event) -> None:
        if event.content_block is not None:
            self._block(event.content_block, event.index)

    def _block(self, block: _Block, index: int) -> None:
        if block.type == "tool_use":
            if len(self._tools) < MAX_TOOLS:
                self._tools.add(index)
            whole = bytes(block.input)  # empty while streaming: the input comes as deltas
            arguments = "" if whole == b"{}" else whole.decode("utf-8", "replace")
            self._meaning.tool_call(index, id=block.id, name=block.name, arguments=arguments)
        elif block.type == "text" and block.text:
            self._meaning.delta(block.text)
        elif block.type == "thinking" and block.thinking:
            self._meaning.delta(block.thinking, "reasoning")
        elif block.to is not None and block.to.model:
            self._meaning.answered_by(block.to.model)

    def _block_delta(self, event: _Event) -> None:
        delta = event.delta or _Delta()
        if delta.type == "text_delta":
            if delta.text:
                self._meaning.delta(delta.text)
        elif delta.type == "thinking_delta":
            if delta.thinking:
                self._meaning.delta(delta.thinking, "reasoning")
        elif delta.partial_json and event.index in self._tools:
            self._meaning.tool_call(event.index, arguments=delta.partial_json)
        elif delta.type not in _QUIET_DELTAS:
            self._meaning.skip("content_block_delta")

    def _message_delta(self, event: _Event) -> None:
        self._account(event.usage)
        if event.delta is not None and event.delta.stop_reason:
            self._meaning.finish(event.delta.stop_reason)

    def _message_stop(self, _: _Event) -> None:
        self._done = True
        self._meaning.done()

    def _error(self, event: _Event) -> None:
        self._meaning.error(failure_of(event.error) or Failure(None, None, None))

    def _nothing(self, event: _Event) -> None:
        """Events that carry nothing we tell."""

    def _account(self, usage: _Usage | None) -> None:
        """Every report is cumulative: values overwrite, missing ones leave what was known."""
        if usage is None:
            return
        for name in _USAGE_FIELDS:
            if (value := getattr(usage, name)) is not None:
                self._usage[name] = value
        details = usage.output_tokens_details or _OutputDetails()
        if details.thinking_tokens is not None:
            self._usage["thinking"] = details.thinking_tokens
        self._meaning.usage(self._normalised())

    def _normalised(self) -> Usage:
        """`input_tokens` of the wire leaves cached tokens out; the conventions count them in.

        https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/anthropic.md
        """
        known = self._usage
        read, written = known.get("cache_read_input_tokens"), known.get("cache_creation_input_tokens")
        given = known.get("input_tokens")
        return Usage(
            input_tokens=None if given is None else given + (read or 0) + (written or 0),
            output_tokens=known.get("output_tokens"),
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=known.get("thinking"),
        )

    _handlers: ClassVar[dict[str, Callable[[AnthropicMessages, _Event], None]]] = {
        "content_block_delta": _block_delta,
        "content_block_start": _block_start,
        "message_start": _message_start,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
        "error": _error,
        "content_block_stop": _nothing,
        "ping": _nothing,
        "vertex_event": _nothing,
    }
