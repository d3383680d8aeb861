"""Cohere chat, version 2.

https://docs.cohere.com/reference/chat-stream
Ends with `message-end`, which carries the finish reason, the usage, and the error if there was one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from otel_stream.cohere import CohereUsage, cohere_usage
from otel_stream.facts import facts
from otel_stream.failures import read_failure, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request


class _Content(msgspec.Struct, gc=False):
    text: str | None = None
    thinking: str | None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    """Events have one piece of content and one call; a whole answer has lists of them."""

    content: _Content | list[_Content] | None = None
    tool_calls: _ToolCall | list[_ToolCall] | None = None
    tool_plan: str | None = None


class _Delta(msgspec.Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: CohereUsage | None = None
    error: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    id: str | None = None


class _Answer(_Delta, gc=False):
    """A whole answer: what the events tell, in one."""

    id: str | None = None


_EVENT = LooseDecoder(_Event)
_ANSWER = LooseDecoder(_Answer)


class CohereChat:
    """Reads the events of one message. One instance per response."""

    name: ClassVar[str] = "cohere_chat"
    provider: ClassVar[str] = "cohere"
    endings: ClassVar[tuple[str, ...]] = ("chat",)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._done = False

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/v2/chat` request, on any host."""
        if request.method != "POST" or not request.path.rstrip("/").endswith("/v2/chat"):
            return None
        return facts(request, format=cls.name, provider=cls.provider)

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is `message-start`."""
        event = _EVENT.decode(frame.raw) if b"message-start" in frame.raw else None
        return event is not None and event.type == "message-start" and event.delta is not None

    def feed(self, frame: Frame) -> None:
        if self._done:
            return
        event = _EVENT.decode(frame.raw)
        if event is None:
            unknown(self._meaning, frame)
            return
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(self, event)
        elif (failure := read_failure(frame.raw)) is not None:
            self._meaning.error(failure)
        else:
            unknown(self._meaning, frame, event.type or "frame")

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        answer = _ANSWER.decode(body)
        if answer is None or answer.message is None:
            self._meaning.skip("body")
            return
        self._meaning.head(answer.id)
        self._plan(answer.message)
        content, calls = answer.message.content, answer.message.tool_calls
        for piece in content if isinstance(content, list) else ():
            self._content(piece)
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            self._call(call, index)
        self._end(answer)

    def _message_start(self, event: _Event) -> None:
        self._meaning.head(event.id)

    def _content_delta(self, event: _Event) -> None:
        if event.delta is not None and event.delta.message is not None:
            content = event.delta.message.content
            if isinstance(content, _Content):
                self._content(content)

    def _content(self, content: _Content) -> None:
        if content.text:
            self._meaning.delta(content.text)
        if content.thinking:
            self._meaning.delta(content.thinking, "reasoning")

    def _tool_plan(self, event: _Event) -> None:
        if event.delta is not None and event.delta.message is not None:
            self._plan(event.delta.message)

    def _plan(self, message: _Message) -> None:
        """What the model says of its calls before it makes them: output, but neither answer nor reasoning."""
        if message.tool_plan:
            self._meaning.delta(message.tool_plan, "tool_call")

    def _tool_call(self, event: _Event) -> None:
        if event.delta is not None and event.delta.message is not None:
            call = event.delta.message.tool_calls
            if isinstance(call, _ToolCall):
                self._call(call, event.index)

    def _call(self, call: _ToolCall, index: int) -> None:
        function = call.function or _Function()
        arguments = function.arguments or ""
        self._meaning.tool_call(index, id=call.id, name=function.name, arguments=arguments)

    def _message_end(self, event: _Event) -> None:
        self._done = True
        self._end(event.delta or _Delta())

    def _end(self, end: _Delta) -> None:
        if (usage := cohere_usage(end.usage)) is not None:
            self._meaning.usage(usage)
        if end.error or end.finish_reason in ("ERROR", "TIMEOUT"):
            self._meaning.error(Failure(None, None, end.error))
        self._meaning.finish(end.finish_reason)
        self._meaning.done()

    def _nothing(self, event: _Event) -> None:
        """Events that carry nothing we tell."""

    _handlers: ClassVar[dict[str, Callable[[CohereChat, _Event], None]]] = {
        "content-delta": _content_delta,
        "content-start": _content_delta,
        "tool-call-delta": _tool_call,
        "tool-call-start": _tool_call,
        "tool-plan-delta": _tool_plan,
        "message-start": _message_start,
        "message-end": _message_end,
        "content-end": _nothing,
        "tool-call-end": _nothing,
        "citation-start": _nothing,
        "citation-end": _nothing,
        "debug": _nothing,
    }
