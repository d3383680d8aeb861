"""The plain text models of Amazon Bedrock: Titan, Llama, Mistral, Cohere Command, Jurassic and DeepSeek-R1.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
They differ in a few names, so one reader has them all. They have no path of their own: `bedrock_invoke`
hands them the frames.
"""

from __future__ import annotations

import msgspec

from otel_stream.framing import Payload
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import Frame, Meaning, Usage

_TITAN = {
    "output_text": "outputText",
    "completion_reason": "completionReason",
    "token_count": "tokenCount",
    "finish": "finishReason",
    "input_text_token_count": "inputTextTokenCount",
    "total_output_text_token_count": "totalOutputTextTokenCount",
}


class _Data(msgspec.Struct, gc=False):
    """AI21's Jurassic has its text, and why it ended, in objects of their own."""

    text: str | None = None
    reason: str | None = None


class _Text(msgspec.Struct, rename=_TITAN, gc=False):
    """A text: alone in a frame, or one of a list."""

    text: str | None = None
    output_text: str | None = None
    generation: str | None = None
    stop_reason: str | None = None
    finish_reason: str | None = None
    completion_reason: str | None = None
    token_count: int | None = None
    data: _Data | None = None
    finish: _Data | None = None


class _Texts(_Text, rename=_TITAN, gc=False):
    """A frame, or a whole answer."""

    outputs: list[_Text] | None = None
    generations: list[_Text] | None = None
    choices: list[_Text] | None = None
    results: list[_Text] | None = None
    completions: list[_Text] | None = None
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    input_text_token_count: int | None = None
    total_output_text_token_count: int | None = None


_TEXTS = LooseDecoder(_Texts)


class BedrockText:
    """Reads the frames of one answer. One instance per response."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._given: int | None = None
        self._made: int | None = None

    def feed(self, frame: Frame) -> None:
        found = _TEXTS.decode(frame.raw)
        if found is None:
            self._meaning.skip("frame")
            return
        texts = found.outputs or found.generations or found.choices or found.results or found.completions
        for index, text in enumerate(texts or (found,)):
            if piece := text.text or text.output_text or text.generation or (text.data and text.data.text):
                self._meaning.delta(piece, "output", index)
            end = text.stop_reason or text.finish_reason or text.completion_reason
            if reason := end or (text.finish and text.finish.reason):
                self._meaning.finish(reason, index)
        self._account(found)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        self.feed(Payload(body))
        self._meaning.done()

    def _account(self, found: _Texts) -> None:
        """Counts are cumulative; those of the prompt may come once only."""
        given, made = found.prompt_token_count, found.generation_token_count
        given = found.input_text_token_count if given is None else given
        made = found.total_output_text_token_count if made is None else made
        if found.results:
            made = sum(text.token_count or 0 for text in found.results)
        if given is not None or made is not None:
            self._given = self._given if given is None else given
            self._made = self._made if made is None else made
            self._meaning.usage(Usage(self._given, self._made))
