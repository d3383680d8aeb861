"""The wire formats: what the frames of each API mean. One file per API, one line in `FORMATS`.

A format satisfies `Format` without importing it, and formats never import each other: what they share
lies below them (`meaning`, `facts`, `usage`, `loose`).
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.wire.anthropic_complete import AnthropicComplete
from otel_stream.wire.anthropic_messages import AnthropicMessages
from otel_stream.wire.bedrock_agent import BedrockAgent
from otel_stream.wire.bedrock_converse import BedrockConverse
from otel_stream.wire.bedrock_invoke import BedrockInvoke
from otel_stream.wire.bedrock_text import BedrockText
from otel_stream.wire.cohere_chat import CohereChat
from otel_stream.wire.cohere_chat_v1 import CohereChatV1
from otel_stream.wire.gemini_generate import GeminiGenerate
from otel_stream.wire.gemini_interactions import GeminiInteractions
from otel_stream.wire.ollama import Ollama
from otel_stream.wire.openai_assistants import OpenAIAssistants
from otel_stream.wire.openai_chat import OpenAIChat
from otel_stream.wire.openai_completions import OpenAICompletions
from otel_stream.wire.openai_responses import OpenAIResponses
from otel_stream.wire.openai_transcriptions import OpenAITranscriptions
from otel_stream.wire.replicate import ReplicateStream
from otel_stream.wire.watsonx import Watsonx
from otel_stream.wire.writer_completions import WriterCompletions


class Format(Protocol):
    """One API's dialect. An instance reads one response and tells a `Meaning` what it says."""

    name: ClassVar[str]
    provider: ClassVar[str]
    """`gen_ai.provider.name` where the host does not tell another: the API's own provider."""
    endings: ClassVar[tuple[str, ...]]
    """How this API's paths end: the word after the last "/" or ":", or "folder/*" for any in a folder."""

    def __init__(self, meaning: Meaning) -> None: ...

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of the call when the request is this API's, else None. Never raises.

        Asked only about paths with one of the `endings`.
        """

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a stream whose request said nothing begins with this API's first frame."""

    def feed(self, frame: Frame) -> None:
        """Tell what one frame means. Frames that are not understood are skipped, not raised."""

    def whole(self, body: bytes) -> None:
        """Tell what a non-streaming answer means."""


FORMATS: tuple[type[Format], ...] = (
    OpenAIChat,
    OpenAIResponses,
    AnthropicMessages,
    GeminiGenerate,
    BedrockConverse,
    BedrockInvoke,
    BedrockAgent,
    GeminiInteractions,
    CohereChat,
    CohereChatV1,
    Ollama,
    Watsonx,
    ReplicateStream,
    WriterCompletions,
    OpenAICompletions,
    OpenAIAssistants,
    OpenAITranscriptions,
    AnthropicComplete,
)
"""In the order they are asked; the first that recognises a request has it."""

PLAIN: frozenset[type[Format]] = frozenset((OpenAIChat, OpenAICompletions, AnthropicMessages, CohereChat))
"""Formats whose frames, where they are a piece of text and nothing else, mean the same wherever they stand.

Up to the end of the answer: no parser's memory and no number that counts up decides what such a frame means.
"""

# Services that hand other vendors' frames through know no format themselves; they get them here.
BedrockInvoke.dialects = {
    "completion": AnthropicComplete,
    "type": AnthropicMessages,
    "messageStart": BedrockConverse,
    "output": BedrockConverse,
    "event_type": CohereChatV1,
    "chat_history": CohereChatV1,
    "choices.delta": OpenAIChat,
    "choices.message": OpenAIChat,
    **dict.fromkeys(("generation", "outputText", "outputs", "generations", "results"), BedrockText),
    **dict.fromkeys(("completions", "text", "choices.text"), BedrockText),
}
Watsonx.chat = OpenAIChat


_BY_ENDING: dict[str, tuple[type[Format], ...]] = {
    ending: tuple(format for format in FORMATS if ending in format.endings)
    for ending in {ending for format in FORMATS for ending in format.endings}
}


def recognise(request: Request) -> tuple[type[Format], CallFacts] | None:
    """Return the format and the facts of a request to an LLM API; None for everything else."""
    for format in _candidates(request.url):
        if (facts := format.recognise(request)) is not None:
            return format, facts
    return None


def _candidates(url: str) -> tuple[type[Format], ...]:
    """Return the formats whose paths end like this one; for other requests this look-up is all they cost."""
    folder, _, last = url.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")
    word = last.rpartition(":")[2]
    return _BY_ENDING.get(word) or _BY_ENDING.get(folder.rpartition("/")[2] + "/*", ())


def sniff(frame: Frame) -> type[Format] | None:
    """Return the format whose first frame this is, for streams whose request told nothing."""
    return next((format for format in FORMATS if format.sniff(frame)), None)
