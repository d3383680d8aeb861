"""Ollama's own API: `/api/chat` and `/api/generate`.

https://docs.ollama.com/api
Streams newline-delimited JSON unless asked not to; ends with a line that has `"done": true` and the counts.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from otel_stream.facts import facts, settings
from otel_stream.failures import failure_of
from otel_stream.loose import LooseDecoder, json_value
from otel_stream.meaning import CallFacts, Frame, Meaning, Request, Usage

_SETTINGS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "num_predict": "max_tokens",
    "seed": "seed", "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty",
    "stop": "stop_sequences",
}  # fmt: skip
"""`options`: https://docs.ollama.com/modelfile#parameter"""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _ToolCall(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Line(msgspec.Struct, gc=False):
    model: str | None = None
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: msgspec.Raw = msgspec.Raw()


_LINE = LooseDecoder(_Line)


class Ollama:
    """Reads the lines of one answer. One instance per response."""

    name: ClassVar[str] = "ollama"
    provider: ClassVar[str] = "ollama"
    endings: ClassVar[tuple[str, ...]] = ("chat", "generate")

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._calls = 0

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/api/chat` or `…/api/generate` request that names a model."""
        path = request.path.rstrip("/")
        if request.method != "POST" or not path.endswith(("/api/chat", "/api/generate")):
            return None
        if request.body is not None and request.get("model", str) is None:
            return None
        attributes = settings(request, "options", _SETTINGS)
        if "format" in request.fields and bytes(request.fields["format"]) not in (b'""', b"null"):
            attributes["gen_ai.output.type"] = "json"
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="chat" if path.endswith("chat") else "text_completion",
            streaming=request.get("stream", bool) is not False,
            attributes=attributes,
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is a line of Ollama's: it has `done`, and a message or a response."""
        line = _LINE.decode(frame.raw) if b'"done"' in frame.raw else None
        return line is not None and (line.message is not None or line.response is not None)

    def feed(self, frame: Frame) -> None:
        line = _LINE.decode(frame.raw)
        if line is None:
            self._meaning.skip("frame")
        else:
            self._line(line)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: one line with all there is."""
        line = _LINE.decode(body)
        if line is None:
            self._meaning.skip("body")
        else:
            self._line(line)

    def _line(self, line: _Line) -> None:
        meaning = self._meaning
        if line.model:
            meaning.head(None, line.model)
        message = line.message
        if message is not None:
            if message.thinking:
                meaning.delta(message.thinking, "reasoning")
            if message.content:
                meaning.delta(message.content)
            if message.tool_calls:
                self._tool_calls(message.tool_calls)
        elif line.thinking:
            meaning.delta(line.thinking, "reasoning")
        if line.response:
            meaning.delta(line.response)
        if line.done:
            self._end(line)
        elif message is None and line.response is None:
            self._other(line)

    def _tool_calls(self, calls: list[_ToolCall]) -> None:
        """Calls come whole."""
        for call in calls:
            function = call.function or _Function()
            self._calls += 1
            arguments = json_value(function.arguments)
            self._meaning.tool_call(self._calls, id=call.id, name=function.name, arguments=arguments)

    def _end(self, line: _Line) -> None:
        """The counts; that of the prompt is missing when all of it was cached."""
        if line.prompt_eval_count is not None or line.eval_count is not None:
            self._meaning.usage(Usage(line.prompt_eval_count, line.eval_count))
        self._meaning.finish(line.done_reason)
        self._meaning.done()

    def _other(self, line: _Line) -> None:
        """A line without output is an error, or none of ours."""
        if (failure := failure_of(line.error)) is not None:
            self._meaning.error(failure)
        elif not line.thinking:
            self._meaning.skip("line")
