"""Anthropic's legacy text completions.

https://docs.anthropic.com/en/api/complete
Every event is `completion` with the next piece of text; the last has `stop_reason`, and the body ends.
There is no usage.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.failures import failure_of, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request


class _Completion(msgspec.Struct, gc=False):
    type: str = ""
    id: str | None = None
    model: str | None = None
    completion: str | None = None
    stop_reason: str | None = None
    error: msgspec.Raw = msgspec.Raw()


class AnthropicComplete:
    """Reads the events of one completion. One instance per response."""

    name: ClassVar[str] = "anthropic_complete"
    provider: ClassVar[str] = "anthropic"
    endings: ClassVar[tuple[str, ...]] = ("complete",)
    decoder: ClassVar[LooseDecoder[_Completion]] = LooseDecoder(_Completion)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._headed = False

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/complete` request that has this API's required members."""
        if request.method != "POST" or not request.path.rstrip("/").endswith("/complete"):
            return None
        if not {"prompt", "max_tokens_to_sample"} <= request.fields.keys():
            return None
        limit = request.get("max_tokens_to_sample", int)
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="text_completion",
            attributes={} if limit is None else {"gen_ai.request.max_tokens": limit},
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is a `completion` event."""
        event = cls.decoder.decode(frame.raw) if b'"completion"' in frame.raw else None
        return event is not None and event.type == "completion" and event.completion is not None

    def feed(self, frame: Frame) -> None:
        event = self.decoder.decode(frame.raw)
        if event is None:
            unknown(self._meaning, frame)
        elif event.type == "completion" or event.completion is not None:  # Bedrock's may have no `type`
            self._completion(event)
        elif event.type == "error":
            self._meaning.error(failure_of(event.error) or Failure(None, None, None))
        elif event.type != "ping":
            unknown(self._meaning, frame, event.type)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: one event with all of the text."""
        answer = self.decoder.decode(body)
        if answer is None:
            self._meaning.skip("body")
            return
        self._completion(answer)
        self._meaning.done()

    def _completion(self, event: _Completion) -> None:
        meaning = self._meaning
        if not self._headed:
            self._headed = bool(event.id and event.model)
            meaning.head(event.id, event.model)
        if event.completion:
            meaning.delta(event.completion)
        if event.stop_reason:
            meaning.finish(event.stop_reason)
