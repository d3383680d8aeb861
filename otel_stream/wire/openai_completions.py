"""OpenAI completions: a prompt goes on, without roles. Old at OpenAI, alive at vLLM and its like.

https://platform.openai.com/docs/api-reference/completions
Ends with `data: [DONE]`; `finish_reason` is a soft terminal.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from otel_stream.facts import deployment, facts
from otel_stream.failures import failure_of, read_failure, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.usage import ChatUsage, chat_usage


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    id: str | None = None
    object: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    error: msgspec.Raw = msgspec.Raw()


class OpenAICompletions:
    """Reads the chunks of one completion. One instance per response."""

    name: ClassVar[str] = "openai_completions"
    provider: ClassVar[str] = "openai"
    endings: ClassVar[tuple[str, ...]] = ("completions",)
    decoder: ClassVar[LooseDecoder[_Chunk]] = LooseDecoder(_Chunk)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._done = False

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/completions` request that names a model or a prompt, on any host."""
        if request.method != "POST" or not request.path.rstrip("/").endswith("/completions"):
            return None
        if not request.fields.keys() & {"model", "prompt"} and request.body is not None:
            return None
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="text_completion",
            model=deployment(request),
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is a completion chunk: its choices have text and no delta."""
        chunk = cls.decoder.decode(frame.raw) if b'"text_completion"' in frame.raw else None
        return chunk is not None and chunk.object == "text_completion" and bool(chunk.choices)

    def feed(self, frame: Frame) -> None:
        if self._done:
            return
        chunk = self.decoder.decode(frame.raw)
        if chunk is None:
            self._sentinel(frame)
        elif chunk.object == "error" and (failure := read_failure(frame.raw)) is not None:
            self._meaning.error(failure)
        elif chunk.choices is None and chunk.usage is None:
            unknown(self._meaning, frame, "chunk")
        else:
            self._chunk(chunk)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: one chunk with all of the text."""
        answer = self.decoder.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._chunk(answer)
        self._meaning.done()

    def _sentinel(self, frame: Frame) -> None:
        if frame.raw.strip() == b"[DONE]":
            self._done = True
            self._meaning.done()
        else:
            unknown(self._meaning, frame)

    def _chunk(self, chunk: _Chunk) -> None:
        meaning = self._meaning
        if chunk.id or chunk.model:
            meaning.head(chunk.id, chunk.model)
        for choice in chunk.choices or ():
            if choice.text:
                meaning.delta(choice.text, "output", choice.index)
            if choice.finish_reason:
                meaning.finish(choice.finish_reason, choice.index)
        if (usage := chat_usage(chunk.usage)) is not None:
            meaning.usage(usage)
        if chunk.error and (failure := failure_of(chunk.error)) is not None:
            meaning.error(failure)
