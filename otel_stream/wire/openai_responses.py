"""OpenAI Responses, at OpenAI's own API and wherever it is served in the same shape.

https://platform.openai.com/docs/api-reference/responses-streaming
Ends with `response.completed`, `.incomplete`, `.failed` or `.cancelled`; there is no finish reason, and
only some compatible services add `[DONE]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import ClassVar

import msgspec

from otel_stream.events import Channel
from otel_stream.facts import facts
from otel_stream.failures import failure_of, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request
from otel_stream.usage import ResponsesUsage, responses_usage

MAX_TOOLS = 1024  # function calls of one answer that are told apart


class _Other(msgspec.Struct, gc=False):
    """An object where text is usual: of the provider's own tools."""


class _Part(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | _Other | None = None
    input: str | _Other | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[_Item] | None = None
    usage: ResponsesUsage | None = None
    error: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    output_index: int | None = None
    item_id: str | None = None
    delta: str | _Other | None = None
    arguments: str | None = None
    input: str | None = None
    item: _Item | None = None
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw()
    code: str | int | None = None
    message: str | None = None


_TOOLS = ("function_call", "custom_tool_call")
_CHANNELS: dict[str, Channel] = {"message": "output", "reasoning": "reasoning"}
_ANNOUNCEMENTS = ("response.created", "response.queued", "response.in_progress")
_QUIET = re.compile(
    r"response\.(content_part|output_text|reasoning_text|reasoning_summary_(part|text)|refusal|audio"
    r"|compaction|mcp_list_tools|\w+_call(_\w+)?)(\.\w+)+|keepalive|ping"
).fullmatch
"""Events that are known and carry nothing we tell: what is whole again, and the provider's own tools."""


def _delta(channel: Channel) -> Callable[[OpenAIResponses, _Event], None]:
    def tell(self: OpenAIResponses, event: _Event) -> None:
        if isinstance(event.delta, str) and event.delta:
            self._meaning.delta(event.delta, channel)

    return tell


def _key(event: _Event) -> Hashable:
    """Item ids change from event to event at some services, output indices do not."""
    return event.item_id if event.output_index is None else event.output_index


class OpenAIResponses:
    """Reads the events of one response. One instance per HTTP response."""

    name: ClassVar[str] = "openai_responses"
    provider: ClassVar[str] = "openai"
    endings: ClassVar[tuple[str, ...]] = ("responses", "responses/*")
    decoder: ClassVar[LooseDecoder[_Event]] = LooseDecoder(_Event)
    body_decoder: ClassVar[LooseDecoder[_Response]] = LooseDecoder(_Response)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._done = False
        self._tools: dict[Hashable, bool] = {}  # function calls, and whether their arguments have begun

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/responses` request, or of a `GET` that resumes a response's stream.

        Surveys also have `responses`; only this API's name a model or a stored prompt.
        """
        if request.method == "GET":
            return cls._resumed(request)
        if request.method != "POST" or not request.path.rstrip("/").endswith("/responses"):
            return None
        if not request.fields.keys() & {"model", "prompt"} and request.body is not None:
            return None
        return facts(request, format=cls.name, provider=cls.provider)

    @classmethod
    def _resumed(cls, request: Request) -> CallFacts | None:
        if "stream=true" not in request.query.lower() or "/responses/" not in request.path:
            return None
        return facts(
            request, format=cls.name, provider=cls.provider, operation="fetch_response", streaming=True
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame announces a response."""
        event = cls.decoder.decode(frame.raw) if b'"response.' in frame.raw else None
        return event is not None and event.response is not None and event.type in _ANNOUNCEMENTS

    def feed(self, frame: Frame) -> None:
        if self._done:
            return
        event = self.decoder.decode(frame.raw)
        if event is None:
            self._sentinel(frame)
            return
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(self, event)
        elif not _QUIET(event.type):
            unknown(self._meaning, frame, event.type)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: the response with its output complete."""
        response = self.body_decoder.decode(body)
        if response is None:
            self._meaning.skip("body")
            return
        for index, item in enumerate(response.output or ()):
            self._item(index, item)
        self._end(response)

    def _sentinel(self, frame: Frame) -> None:
        if frame.raw.strip() == b"[DONE]":
            self._done = True
            self._meaning.done()
        else:
            unknown(self._meaning, frame)

    def _announce(self, event: _Event) -> None:
        if event.response is not None:
            self._meaning.head(event.response.id, event.response.model)

    def _finish(self, event: _Event) -> None:
        self._end(event.response or _Response(status=event.type.rpartition(".")[2]))

    def _end(self, response: _Response) -> None:
        self._done = True
        self._meaning.head(response.id, response.model)
        if (usage := responses_usage(response.usage)) is not None:
            self._meaning.usage(usage)
        failure = failure_of(response.error)
        if failure is not None or response.status == "failed":
            self._meaning.error(failure or Failure(None, None, None))
        self._meaning.done()

    def _error(self, event: _Event) -> None:
        """The error stands in the event itself, or in a member `error` of it."""
        flat = Failure(None, None if event.code is None else str(event.code), event.message)
        self._meaning.error(failure_of(event.error) or flat)

    def _item_added(self, event: _Event) -> None:
        if event.item is not None:
            self._tool(_key(event), event.item)

    def _tool(self, key: Hashable, item: _Item) -> None:
        """Tell of a call of the client's function; an item that is done says nothing new of one told."""
        told = self._tools.get(key)
        if item.type not in _TOOLS or told:
            return
        text = item.input if item.type == "custom_tool_call" else item.arguments
        arguments = text if isinstance(text, str) else ""
        if arguments or told is None:
            self._note(key, told=bool(arguments))
            self._meaning.tool_call(key, id=item.call_id or item.id, name=item.name, arguments=arguments)

    def _arguments(self, event: _Event) -> None:
        if isinstance(event.delta, str) and event.delta:
            key = _key(event)
            self._note(key, told=True)
            self._meaning.tool_call(key, arguments=event.delta)

    def _arguments_done(self, event: _Event) -> None:
        """The arguments once more; at LM Studio for the first time."""
        key, arguments = _key(event), event.arguments or event.input
        if arguments and not self._tools.get(key):
            self._note(key, told=True)
            self._meaning.tool_call(key, arguments=arguments)

    def _note(self, key: Hashable, *, told: bool) -> None:
        if len(self._tools) < MAX_TOOLS:
            self._tools[key] = told

    def _item(self, index: int, item: _Item) -> None:
        """Tell an item that is whole; the provider's own tools are its business."""
        self._tool(index, item)
        channel = _CHANNELS.get(item.type)
        for part in (*(item.summary or ()), *(item.content or ())):
            if part.refusal:
                self._meaning.delta(part.refusal, "refusal")
            elif part.text and channel is not None:
                self._meaning.delta(part.text, channel)

    _handlers: ClassVar[dict[str, Callable[[OpenAIResponses, _Event], None]]] = {
        "response.output_text.delta": _delta("output"),
        "response.reasoning_text.delta": _delta("reasoning"),
        "response.reasoning_summary_text.delta": _delta("reasoning"),
        "response.refusal.delta": _delta("refusal"),
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_added,
        "response.function_call_arguments.delta": _arguments,
        "response.function_call_arguments.done": _arguments_done,
        "response.custom_tool_call_input.delta": _arguments,
        "response.custom_tool_call_input.done": _arguments_done,
        "response.created": _announce,
        "response.queued": _announce,
        "response.in_progress": _announce,
        "response.completed": _finish,
        "response.incomplete": _finish,
        "response.failed": _finish,
        "response.cancelled": _finish,
        "error": _error,
    }
