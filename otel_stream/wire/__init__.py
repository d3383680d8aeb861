"""The wire formats: what the frames of each API mean. One file per API, one line in `FORMATS`.

A format satisfies `Format` without importing it, and formats never import each other: what they share
lies below them (`meaning`, `facts`, `usage`, `loose`).
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.wire.anthropic_messages import AnthropicMessages
from otel_stream.wire.openai_chat import OpenAIChat


class Format(Protocol):
    """One API's dialect. An instance reads one response and tells a `Meaning` what it says."""

    name: ClassVar[str]

    def __init__(self, meaning: Meaning) -> None: ...

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of the call when the request is this API's, else None. Cheap; never raises."""

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a stream whose request said nothing begins with this API's first frame."""

    def feed(self, frame: Frame) -> None:
        """Tell what one frame means. Frames that are not understood are skipped, not raised."""

    def whole(self, body: bytes) -> None:
        """Tell what a non-streaming answer means."""


FORMATS: tuple[type[Format], ...] = (
    OpenAIChat,
    AnthropicMessages,
)
"""In the order they are asked; the first that recognises a request has it."""


def recognise(request: Request) -> tuple[type[Format], CallFacts] | None:
    """Return the format and the facts of a request to an LLM API; None for everything else."""
    for format in FORMATS:
        if (facts := format.recognise(request)) is not None:
            return format, facts
    return None


def sniff(frame: Frame) -> type[Format] | None:
    """Return the format whose first frame this is, for streams whose request told nothing."""
    return next((format for format in FORMATS if format.sniff(frame)), None)
