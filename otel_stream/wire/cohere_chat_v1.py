"""Cohere chat, version 1, and Command R at Bedrock, whose frames are the same.

https://docs.cohere.com/v1/reference/chat-stream
Streams newline-delimited JSON; ends with `stream-end`, which carries the finish reason and the whole answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from otel_stream.cohere import CohereUsage, cohere_usage
from otel_stream.facts import facts
from otel_stream.failures import read_failure
from otel_stream.loose import LooseDecoder, json_value
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request


class _ToolCall(msgspec.Struct, gc=False):
    name: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()


class _ToolDelta(msgspec.Struct, gc=False):
    index: int = 0
    name: str | None = None
    parameters: str | None = None


class _Response(msgspec.Struct, gc=False):
    """The whole answer: of a request without streaming, and once more at the end of a stream."""

    generation_id: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    tool_calls: list[_ToolCall] | None = None
    meta: CohereUsage | None = None


class _Event(msgspec.Struct, gc=False):
    event_type: str = ""
    generation_id: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_delta: _ToolDelta | None = None
    response: _Response | None = None


_EVENT = LooseDecoder(_Event)
_RESPONSE = LooseDecoder(_Response)


class CohereChatV1:
    """Reads the events of one answer. One instance per response."""

    name: ClassVar[str] = "cohere_chat_v1"
    provider: ClassVar[str] = "cohere"
    endings: ClassVar[tuple[str, ...]] = ("chat",)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._streamed_calls = False  # calls came as pieces: the list of whole ones repeats them

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/v1/chat` request, with a `message` where the host is not Cohere's."""
        if request.method != "POST" or not request.path.rstrip("/").endswith("/v1/chat"):
            return None
        if "message" not in request.fields and not request.host.endswith((".cohere.com", ".cohere.ai")):
            return None
        return facts(request, format=cls.name, provider=cls.provider)

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is `stream-start`."""
        event = _EVENT.decode(frame.raw) if b"stream-start" in frame.raw else None
        return event is not None and event.event_type == "stream-start"

    def feed(self, frame: Frame) -> None:
        event = _EVENT.decode(frame.raw)
        if event is None:
            self._meaning.skip("frame")
            return
        handler = self._handlers.get(event.event_type)
        if handler is not None:
            handler(self, event)
        elif (failure := read_failure(frame.raw)) is not None:
            self._meaning.error(failure)
        else:
            self._meaning.skip(event.event_type or "frame")

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        answer = _RESPONSE.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._meaning.head(answer.generation_id)
        if answer.text:
            self._meaning.delta(answer.text)
        self._calls(answer.tool_calls)
        self._end(answer.finish_reason, None, answer.meta)

    def _start(self, event: _Event) -> None:
        self._meaning.head(event.generation_id)

    def _text(self, event: _Event) -> None:
        if event.text:
            self._meaning.delta(event.text)

    def _tool_delta(self, event: _Event) -> None:
        """A piece of a call; without one, of what the model says before it calls."""
        if (call := event.tool_call_delta) is not None:
            self._streamed_calls = True
            self._meaning.tool_call(call.index, name=call.name, arguments=call.parameters or "")
        elif event.text:
            self._meaning.delta(event.text, "tool_call")

    def _tool_calls(self, event: _Event) -> None:
        if not self._streamed_calls:
            self._calls(event.tool_calls)

    def _calls(self, calls: list[_ToolCall] | None) -> None:
        for index, call in enumerate(calls or ()):
            self._meaning.tool_call(index, name=call.name, arguments=json_value(call.parameters))

    def _stream_end(self, event: _Event) -> None:
        response = event.response or _Response()
        self._meaning.head(response.generation_id)
        self._end(event.finish_reason or response.finish_reason, event.error, response.meta)

    def _end(self, reason: str | None, error: str | None, meta: CohereUsage | None) -> None:
        if (usage := cohere_usage(meta)) is not None:
            self._meaning.usage(usage)
        if error or reason in ("ERROR", "ERROR_TOXIC", "ERROR_LIMIT"):
            self._meaning.error(Failure(None, None, error))
        self._meaning.finish(reason)
        self._meaning.done()

    def _nothing(self, event: _Event) -> None:
        """Events that carry nothing we tell."""

    _handlers: ClassVar[dict[str, Callable[[CohereChatV1, _Event], None]]] = {
        "text-generation": _text,
        "tool-calls-chunk": _tool_delta,
        "tool-calls-generation": _tool_calls,
        "stream-start": _start,
        "stream-end": _stream_end,
        "search-queries-generation": _nothing,
        "search-results": _nothing,
        "citation-generation": _nothing,
        "debug": _nothing,
    }
