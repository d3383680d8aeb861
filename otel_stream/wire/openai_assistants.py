"""OpenAI Assistants: the events of a run on a thread.

https://platform.openai.com/docs/api-reference/assistants-streaming
Told apart by the SSE event's name. Ends with `event: done`; the run's last state before it is a soft
terminal and has the usage. A run that waits for tool outputs is complete as far as this exchange goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.failures import failure_of, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request
from otel_stream.usage import ChatUsage, chat_usage


class _Text(msgspec.Struct, gc=False):
    value: str | None = None


class _Content(msgspec.Struct, gc=False):
    text: _Text | None = None
    refusal: str | None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int = 0
    id: str | None = None
    type: str | None = None
    function: _Function | None = None


class _StepDetails(msgspec.Struct, gc=False):
    tool_calls: list[_ToolCall] | None = None


class _Delta(msgspec.Struct, gc=False):
    content: list[_Content] | None = None
    step_details: _StepDetails | None = None


class _Event(msgspec.Struct, gc=False):
    """A run, a step of it, a message, a delta of one of these, or an error."""

    id: str | None = None
    model: str | None = None
    delta: _Delta | None = None
    usage: ChatUsage | None = None
    last_error: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    code: str | int | None = None
    message: str | None = None


class OpenAIAssistants:
    """Reads the events of one run. One instance per response."""

    name: ClassVar[str] = "openai_assistants"
    provider: ClassVar[str] = "openai"
    endings: ClassVar[tuple[str, ...]] = ("runs", "submit_tool_outputs")
    decoder: ClassVar[LooseDecoder[_Event]] = LooseDecoder(_Event)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a run that streams; one that is polled answers with its state, no text."""
        if (
            request.method != "POST"
            or "/threads/" not in request.path
            or request.get("stream", bool) is not True
        ):
            return None
        found = facts(request, format=cls.name, provider=cls.provider, operation="invoke_agent")
        thread = request.path.partition("/threads/")[2].partition("/")[0]
        named = {"gen_ai.agent.id": request.get("assistant_id", str), "gen_ai.conversation.id": thread}
        found.attributes.update({name: value for name, value in named.items() if value and value != "runs"})
        return found

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is the creation of a run or of its thread."""
        return frame.event in ("thread.created", "thread.run.created", "thread.run.step.in_progress")

    def feed(self, frame: Frame) -> None:
        handler = self._handlers.get(frame.event)
        if frame.event == "done":  # its data is no JSON
            self._meaning.done()
        elif handler is not None and (event := self.decoder.decode(frame.raw)) is not None:
            handler(self, event)
        elif handler is not None or not frame.event.startswith("thread."):
            unknown(self._meaning, frame, frame.event)

    def whole(self, body: bytes) -> None:
        """Read an answer that did not stream after all: the state of the run."""
        run = self.decoder.decode(body)
        if run is None:
            self._meaning.skip("body")
        else:
            self._run_ended(run)
            self._meaning.done()

    def _run(self, event: _Event) -> None:
        self._meaning.head(event.id, event.model)

    def _run_ended(self, event: _Event) -> None:
        self._run(event)
        if (usage := chat_usage(event.usage)) is not None:
            self._meaning.usage(usage)
        if (failure := failure_of(event.last_error)) is not None:
            self._meaning.error(failure)
        self._meaning.finish(None)

    def _message(self, event: _Event) -> None:
        for part in (event.delta.content if event.delta is not None else None) or ():
            if part.text is not None and part.text.value:
                self._meaning.delta(part.text.value)
            if part.refusal:
                self._meaning.delta(part.refusal, "refusal")

    def _step(self, event: _Event) -> None:
        """Calls of the client's functions; the code interpreter's input is the provider's own business."""
        details = event.delta.step_details if event.delta is not None else None
        for call in (details.tool_calls if details is not None else None) or ():
            if call.function is not None:
                self._meaning.tool_call(
                    (event.id, call.index),
                    id=call.id,
                    name=call.function.name,
                    arguments=call.function.arguments or "",
                )

    def _error(self, event: _Event) -> None:
        flat = Failure(None, None if event.code is None else str(event.code), event.message)
        self._meaning.error(failure_of(event.error) or flat)

    def _expired(self, event: _Event) -> None:
        self._meaning.error(failure_of(event.last_error) or Failure("expired", None, None))
        self._run_ended(event)

    _handlers: ClassVar[dict[str, Callable[[OpenAIAssistants, _Event], None]]] = {
        "thread.message.delta": _message,
        "thread.run.step.delta": _step,
        "thread.run.created": _run,
        "thread.run.in_progress": _run,
        "thread.run.requires_action": _run_ended,
        "thread.run.completed": _run_ended,
        "thread.run.incomplete": _run_ended,
        "thread.run.cancelled": _run_ended,
        "thread.run.failed": _run_ended,
        "thread.run.expired": _expired,
        "error": _error,
    }
