"""Writer's text completions.

https://dev.writer.com/api-reference/completion-api/text-generation
Each event is the next piece of text, and the body just ends: nothing on the wire tells a finished stream from
one that was cut off, and there is no usage.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.failures import unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Frame, Meaning, Request


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None


class _Event(msgspec.Struct, gc=False):
    value: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None


class WriterCompletions:
    """Reads the events of one completion. One instance per response."""

    name: ClassVar[str] = "writer_completions"
    provider: ClassVar[str] = "writer"
    endings: ClassVar[tuple[str, ...]] = ("completions",)
    decoder: ClassVar[LooseDecoder[_Event]] = LooseDecoder(_Event)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `POST` to `/v1/completions` at Writer; the path alone is OpenAI's."""
        ours = request.host.endswith("writer.com") and request.path.rstrip("/").endswith("/v1/completions")
        if request.method != "POST" or not ours:
            return None
        return facts(request, format=cls.name, provider=cls.provider, operation="text_completion")

    @classmethod
    def sniff(cls, frame: Frame) -> bool:  # noqa: ARG003 - the protocol's
        """A bare `value` is no sign of a language model."""
        return False

    def feed(self, frame: Frame) -> None:
        event = self.decoder.decode(frame.raw)
        if event is not None and event.value is not None:
            if event.value:
                self._meaning.delta(event.value)
        elif frame.raw.strip() == b"[DONE]":
            self._meaning.done()
        else:
            unknown(self._meaning, frame)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: choices with all of the text."""
        answer = self.decoder.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._meaning.head(model=answer.model)
        for index, choice in enumerate(answer.choices or ()):
            if choice.text:
                self._meaning.delta(choice.text, index=index)
        self._meaning.done()
