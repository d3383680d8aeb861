"""Gemini Interactions.

https://ai.google.dev/api/interactions-api
Streams steps (first called contents) with their deltas; ends with `interaction.completed`, which carries the
usage. There are no finish reasons: the interaction's status tells how it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from otel_stream.facts import facts, settings
from otel_stream.failures import failure_of, unknown
from otel_stream.loose import LooseDecoder, json_value
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request, Usage

_SETTINGS = {
    "temperature": "temperature", "top_p": "top_p", "seed": "seed", "max_output_tokens": "max_tokens",
    "stop_sequences": "stop_sequences", "thinking_level": "reasoning_effort",
}  # fmt: skip
"""`generation_config`"""


_ARGUMENTS = ("arguments_delta", "function_call")
"""Deltas with arguments for the client's functions; the provider's own tools have arguments as well."""


class _Usage(msgspec.Struct, gc=False):
    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_tool_use_tokens: int | None = None
    total_thought_tokens: int | None = None


class _Content(msgspec.Struct, gc=False):
    text: str | None = None


class _Step(msgspec.Struct, gc=False):
    """A step that begins, a delta of one, or one of a whole answer: each has some of the members."""

    type: str = ""
    id: str | None = None
    name: str | None = None
    text: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()
    content: _Content | list[_Content] | None = None
    summary: list[_Content] | None = None


class _Interaction(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    usage: _Usage | None = None
    steps: list[_Step] | None = None
    outputs: list[_Step] | None = None
    error: msgspec.Raw = msgspec.Raw()


class _Metadata(msgspec.Struct, gc=False):
    usage: _Usage | None = None
    total_usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    event_type: str = ""
    index: int = 0
    delta: _Step | None = None
    step: _Step | None = None
    content: _Step | None = None
    interaction: _Interaction | None = None
    metadata: _Metadata | None = None
    error: msgspec.Raw = msgspec.Raw()


_EVENT = LooseDecoder(_Event)
_INTERACTION = LooseDecoder(_Interaction)


class GeminiInteractions:
    """Reads the events of one interaction. One instance per response."""

    name: ClassVar[str] = "gemini_interactions"
    provider: ClassVar[str] = "gcp.gemini"
    endings: ClassVar[tuple[str, ...]] = ("interactions", "interactions/*")

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/interactions` request, and of one that takes up its stream again."""
        at_google = request.host.endswith("googleapis.com")
        resumes = request.method == "GET" and at_google and "stream=true" in request.query
        asks = request.method == "POST" and request.path.rstrip("/").endswith("/interactions")
        if not resumes and not (asks and (at_google or "input" in request.fields)):
            return None
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="invoke_agent" if "agent" in request.fields else "generate_content",
            streaming=True if resumes else None,
            attributes=settings(request, "generation_config", _SETTINGS),
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame says that an interaction was created."""
        event = _EVENT.decode(frame.raw) if b'"interaction.' in frame.raw else None
        return event is not None and event.interaction is not None

    def feed(self, frame: Frame) -> None:
        event = _EVENT.decode(frame.raw)
        if event is None:
            self._sentinel(frame)
            return
        handler = self._handlers.get(event.event_type)
        if handler is None:
            unknown(self._meaning, frame, event.event_type or "frame")
        else:
            handler(self, event)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: the interaction with its steps complete."""
        answer = _INTERACTION.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        for index, step in enumerate(answer.steps or answer.outputs or ()):
            self._whole_step(step, index)
        self._end(answer)
        self._meaning.done()  # also of one that goes on in the background: this exchange is complete

    def _sentinel(self, frame: Frame) -> None:
        if frame.raw.strip() != b"[DONE]":
            unknown(self._meaning, frame)

    def _created(self, event: _Event) -> None:
        if event.interaction is not None:
            self._meaning.head(event.interaction.id, event.interaction.model)

    def _start(self, event: _Event) -> None:
        step = event.step or event.content
        if step is not None and step.type == "function_call":
            self._meaning.tool_call(event.index, id=step.id, name=step.name)

    def _delta(self, event: _Event) -> None:
        delta = event.delta or _Step()
        if delta.text:
            self._meaning.delta(delta.text)
        elif delta.type == "thought_summary":
            self._thought(delta.content)
        elif delta.arguments and delta.type in _ARGUMENTS:
            self._arguments(delta, event.index)
        if event.metadata is not None:
            self._account(event.metadata.total_usage or event.metadata.usage)

    def _thought(self, content: _Content | list[_Content] | None) -> None:
        if isinstance(content, _Content):
            if content.text:
                self._meaning.delta(content.text, "reasoning")
            return
        for piece in content or ():
            self._thought(piece)

    def _arguments(self, delta: _Step, index: int) -> None:
        """Arguments come as pieces of text, first also whole."""
        arguments: Any = json_value(delta.arguments)
        self._meaning.tool_call(index, id=delta.id, name=delta.name, arguments=arguments)

    def _whole_step(self, step: _Step, index: int) -> None:
        if step.type == "thought":
            self._thought(step.summary)
        elif step.type == "function_call":
            self._arguments(step, index)
        elif step.text:
            self._meaning.delta(step.text)
        elif step.type == "model_output":
            for piece in step.content if isinstance(step.content, list) else ():
                if piece.text:
                    self._meaning.delta(piece.text)

    def _completed(self, event: _Event) -> None:
        self._end(event.interaction or _Interaction())

    def _end(self, interaction: _Interaction) -> None:
        self._meaning.head(interaction.id, interaction.model)
        self._account(interaction.usage)
        if interaction.status in ("failed", "cancelled"):
            self._meaning.error(failure_of(interaction.error) or Failure(interaction.status, None, None))
        elif interaction.status != "in_progress":
            self._meaning.done()

    def _error(self, event: _Event) -> None:
        self._meaning.error(failure_of(event.error) or Failure(None, None, None))

    def _nothing(self, event: _Event) -> None:
        """Events that carry nothing we tell."""

    def _account(self, usage: _Usage | None) -> None:
        """Thoughts are told beside the output, tool use beside the input; the conventions count them in."""
        if usage is None or (usage.total_input_tokens is None and usage.total_output_tokens is None):
            return
        given, made = usage.total_input_tokens, usage.total_output_tokens
        self._meaning.usage(
            Usage(
                None if given is None else given + (usage.total_tool_use_tokens or 0),
                None if made is None else made + (usage.total_thought_tokens or 0),
                usage.total_cached_tokens,
                None,
                usage.total_thought_tokens,
            )
        )

    _handlers: ClassVar[dict[str, Callable[[GeminiInteractions, _Event], None]]] = {
        "step.delta": _delta,
        "content.delta": _delta,
        "step.start": _start,
        "content.start": _start,
        "step.stop": _nothing,
        "content.stop": _nothing,
        "interaction.created": _created,
        "interaction.start": _created,
        "interaction.status_update": _nothing,
        "interaction.completed": _completed,
        "interaction.complete": _completed,
        "error": _error,
    }
