"""Agents of Amazon Bedrock: `InvokeAgent` and `InvokeInlineAgent`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html
An AWS event stream of `chunk` events with the answer's text and, if asked for, `trace` events with each
step of the agent; the tokens are the sum of its steps. Nothing but the end of the body tells the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar
from urllib.parse import unquote

import msgspec

from otel_stream.bedrock import failure_in
from otel_stream.facts import facts
from otel_stream.loose import NOT_JSON, LooseDecoder, json_value
from otel_stream.meaning import CallFacts, Frame, Meaning, Request, Usage


class _Counts(msgspec.Struct, rename="camel", gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Metadata(msgspec.Struct, gc=False):
    usage: _Counts | None = None


class _Invocation(msgspec.Struct, gc=False):
    metadata: _Metadata | None = None


class _Step(msgspec.Struct, rename="camel", gc=False):
    model_invocation_output: _Invocation | None = None


class _Trace(msgspec.Struct, gc=False):
    trace: dict[str, _Step] = {}


class _Chunk(msgspec.Struct, rename={"data": "bytes"}, gc=False):
    data: bytes = b""


class _Function(msgspec.Struct, rename="camel", gc=False):
    function: str | None = None
    api_path: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()


class _Input(msgspec.Struct, rename="camel", gc=False):
    function_invocation_input: _Function | None = None
    api_invocation_input: _Function | None = None


class _Control(msgspec.Struct, rename="camel", gc=False):
    invocation_id: str | None = None
    invocation_inputs: list[_Input] | None = None


_CHUNK = LooseDecoder(_Chunk)
_TRACE = LooseDecoder(_Trace)
_CONTROL = LooseDecoder(_Control)


class BedrockAgent:
    """Reads the events of one turn of an agent. One instance per response."""

    name: ClassVar[str] = "bedrock_agent"
    provider: ClassVar[str] = "aws.bedrock"
    endings: ClassVar[tuple[str, ...]] = ("text", "agents/*")

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._given = 0
        self._made = 0
        self._finished = False  # with the first piece: nothing but the end of the body tells the end

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of `/agents/{id}/agentAliases/{alias}/sessions/{session}/text` or `/agents/{id}`.

        The second is an inline agent's, and any other API's: it counts at Amazon's host alone.
        """
        if request.method != "POST":
            return None
        match [unquote(step) for step in request.path.strip("/").split("/")]:
            case [*_, "agents", agent, "agentAliases", _, "sessions", session, "text"]:
                attributes = {"gen_ai.agent.id": agent, "gen_ai.conversation.id": session}
            case ["agents", session] if request.host.startswith("bedrock-agent-runtime"):
                attributes = {"gen_ai.conversation.id": session}
            case _:
                return None
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="invoke_agent",
            model=request.get("foundationModel", str),
            streaming=True,
            attributes=attributes,
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:  # noqa: ARG003 - the protocol's
        """Tell nothing: a `chunk` of bytes may be anybody's."""
        return False

    def feed(self, frame: Frame) -> None:
        handler = self._handlers.get(frame.event)
        if handler is not None:
            handler(self, frame.raw)
        elif (failure := failure_in(frame)) is not None:
            self._meaning.error(failure)
        else:
            self._meaning.skip(frame.event or "frame")

    def whole(self, body: bytes) -> None:  # noqa: ARG002 - the protocol's
        """Skip: the API has no answers that are no streams."""
        self._meaning.skip("body")

    def _chunk(self, raw: bytes) -> None:
        try:
            chunk = _CHUNK.strict(raw)
        except NOT_JSON:
            chunk = _CHUNK.bend(raw) or _Chunk()
        if chunk.data:
            self._meaning.delta(chunk.data.decode("utf-8", "replace"))
        if not self._finished:
            self._finished = True
            self._meaning.finish(None)

    def _trace(self, raw: bytes) -> None:
        trace = _TRACE.decode(raw) or _Trace()
        for step in trace.trace.values():
            invocation = step.model_invocation_output
            if (
                invocation is not None
                and invocation.metadata is not None
                and invocation.metadata.usage is not None
            ):
                self._add(invocation.metadata.usage)

    def _add(self, counts: _Counts) -> None:
        self._given += counts.input_tokens or 0
        self._made += counts.output_tokens or 0
        self._meaning.usage(Usage(self._given, self._made))

    def _return_control(self, raw: bytes) -> None:
        """The agent asks the application to call its functions, and the turn ends."""
        control = _CONTROL.decode(raw) or _Control()
        for index, given in enumerate(control.invocation_inputs or ()):
            call = given.function_invocation_input or given.api_invocation_input or _Function()
            name, arguments = call.function or call.api_path, json_value(call.parameters)
            self._meaning.tool_call(index, id=control.invocation_id, name=name, arguments=arguments)
        self._meaning.finish(None)

    def _nothing(self, raw: bytes) -> None:
        """Events that carry nothing we tell."""

    _handlers: ClassVar[dict[str, Callable[[BedrockAgent, bytes], None]]] = {
        "chunk": _chunk,
        "trace": _trace,
        "returnControl": _return_control,
        "files": _nothing,
        "initial-response": _nothing,
    }
