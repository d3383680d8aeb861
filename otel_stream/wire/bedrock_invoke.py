"""Amazon Bedrock `InvokeModel` and `InvokeModelWithResponseStream`: each vendor's own JSON, handed through.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
An AWS event stream of `chunk` events, whose `bytes` are the vendor's frames; they are read by the vendor's
own format (`dialects`). The service puts its counts into the last frame; a vendor's own win over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

from otel_stream.bedrock import failure_in, model_of
from otel_stream.facts import facts, settings
from otel_stream.framing import Payload
from otel_stream.loose import NOT_JSON, LooseDecoder, parse
from otel_stream.meaning import CallFacts, Frame, Meaning, Request, Usage

_METRICS = b'"amazon-bedrock-invocationMetrics"'
_STREAMING = "invoke-with-response-stream"
_NO_TEXT = ("embed", "image", "canvas", "reel", "stability.", "rerank", "sonic", "marengo")
"""Parts of the ids of models whose answers are no text."""
_SETTINGS = {
    "temperature": "temperature", "topP": "top_p", "top_p": "top_p", "topK": "top_k", "top_k": "top_k",
    "maxTokens": "max_tokens", "max_new_tokens": "max_tokens", "maxTokenCount": "max_tokens",
    "stopSequences": "stop_sequences",
}  # fmt: skip
"""Of Nova's `inferenceConfig` and Titan's `textGenerationConfig`."""


class Dialect(Protocol):
    """What is needed of a vendor's format."""

    def __init__(self, meaning: Meaning) -> None: ...

    def feed(self, frame: Frame) -> None: ...

    def whole(self, body: bytes) -> None: ...


class _Chunk(msgspec.Struct, rename={"data": "bytes"}, gc=False):
    data: bytes = b""


class _Metrics(msgspec.Struct, rename="camel", gc=False):
    input_token_count: int | None = None
    output_token_count: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None


class _Last(msgspec.Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}, gc=False):
    metrics: _Metrics | None = None


_CHUNK = LooseDecoder(_Chunk)
_LAST = LooseDecoder(_Last)


class BedrockInvoke:
    """Reads the chunks of one invocation. One instance per response."""

    name: ClassVar[str] = "bedrock_invoke"
    provider: ClassVar[str] = "aws.bedrock"
    endings: ClassVar[tuple[str, ...]] = (_STREAMING, "invoke")
    dialects: ClassVar[Mapping[str, type[Dialect]]] = {}
    """What a vendor's frames and answers have as a member (`a.b`: as one of the first of a list), and its
    format. Set by the registry, since formats know nothing of each other."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._overheard: _Overheard | None = None
        self._dialect: Dialect | None = None

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of `/model/{id}/invoke` and its streaming form, for models that answer in text."""
        model = model_of(request.path, cls.endings)
        if request.method != "POST" or model is None or any(part in model for part in _NO_TEXT):
            return None
        configs = ("inferenceConfig", "textGenerationConfig")
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="text_completion" if {"prompt", "inputText"} & request.fields.keys() else "chat",
            model=model,
            streaming=request.path.rstrip("/").endswith(_STREAMING),
            attributes={k: v for config in configs for k, v in settings(request, config, _SETTINGS).items()},
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame holds one of a vendor's that is known."""
        chunk = _CHUNK.decode(frame.raw) if frame.event == "chunk" else None
        return chunk is not None and cls._dialect_of(chunk.data) is not None

    def feed(self, frame: Frame) -> None:
        try:
            chunk = _CHUNK.strict(frame.raw) if frame.event == "chunk" else None
        except NOT_JSON:
            chunk = _CHUNK.bend(frame.raw)
        if chunk is None:
            self._other(frame)
            return
        raw = chunk.data
        dialect = self._dialect or self._choose(raw)
        if dialect is None:
            self._meaning.skip("chunk")
        else:
            dialect.feed(Payload(raw))
        if _METRICS in raw:
            self._end(raw)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        dialect = self._choose(body)
        if dialect is None:
            self._meaning.skip("body")
        else:
            dialect.whole(body)

    def _choose(self, raw: bytes) -> Dialect | None:
        """Find the format by the first frame, or the answer, that tells whose it is."""
        kind = self._dialect_of(raw)
        if kind is not None:
            self._overheard = _Overheard(self._meaning)
            self._dialect = kind(self._overheard)
        return self._dialect

    @classmethod
    def _dialect_of(cls, raw: bytes) -> type[Dialect] | None:
        members = _members(parse(raw))
        return next((cls.dialects[member] for member in cls.dialects if member in members), None)

    def _other(self, frame: Frame) -> None:
        if (failure := failure_in(frame)) is not None:
            self._meaning.error(failure)
        elif frame.event != "initial-response":
            self._meaning.skip(frame.event or "frame")

    def _end(self, raw: bytes) -> None:
        """With the service's counts the answer is complete."""
        last = _LAST.decode(raw)
        if last is None or (found := last.metrics) is None:
            return
        if self._overheard is None or not self._overheard.usage_told:
            read, written = found.cache_read_input_token_count, found.cache_write_input_token_count
            given = found.input_token_count
            given = None if given is None else given + (read or 0) + (written or 0)
            self._meaning.usage(Usage(given, found.output_token_count, read, written))
        self._meaning.done()


class _Overheard:
    """The meaning as a dialect gets it: passes all on, and knows whether counts were told."""

    def __init__(self, meaning: Meaning) -> None:
        self.usage_told = False
        self._usage = meaning.usage
        self.head = meaning.head
        self.answered_by = meaning.answered_by
        self.delta = meaning.delta
        self.tool_call = meaning.tool_call
        self.finish = meaning.finish
        self.done = meaning.done
        self.error = meaning.error
        self.skip = meaning.skip

    def usage(self, usage: Usage) -> None:
        self.usage_told = True
        self._usage(usage)


def _members(value: object) -> set[str]:
    """Return the names of the members, and with `a.b` those of the first of each list of objects."""
    if not isinstance(value, dict):
        return set()
    lists = {
        name: of for name, of in value.items() if isinstance(of, list) and of and isinstance(of[0], dict)
    }
    return {*value, *(f"{name}.{inner}" for name, of in lists.items() for inner in of[0])}
