"""IBM watsonx.ai text generation and text chat.

https://cloud.ibm.com/apidocs/watsonx-ai#text-generation-stream
Text generation streams events with `results` and ends with the body, after a `stop_reason`; counts are
cumulative, and that of the prompt comes once. Text chat speaks OpenAI's dialect, which reads it (`chat`).
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import msgspec

from otel_stream.facts import facts, settings
from otel_stream.failures import read_failure, unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Frame, Meaning, Request, Usage

_SETTINGS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_new_tokens": "max_tokens",
    "random_seed": "seed", "stop_sequences": "stop_sequences",
}  # fmt: skip
"""`parameters` of text generation."""
_OPERATIONS = {
    "generation_stream": ("text_completion", True), "generation": ("text_completion", False),
    "text_stream": ("text_completion", True), "text": ("text_completion", False),
    "chat_stream": ("chat", True), "chat": ("chat", False),
}  # fmt: skip
"""Last word of the path, operation, whether it streams."""


class Dialect(Protocol):
    """What is needed of the format that reads text chat."""

    def __init__(self, meaning: Meaning) -> None: ...

    def feed(self, frame: Frame) -> None: ...

    def whole(self, body: bytes) -> None: ...


class _Result(msgspec.Struct, gc=False):
    generated_text: str | None = None
    generated_token_count: int | None = None
    input_token_count: int | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    model_id: str | None = None
    results: list[_Result] | None = None
    choices: msgspec.Raw = msgspec.Raw()


_EVENT = LooseDecoder(_Event)


class Watsonx:
    """Reads the events of one answer. One instance per response."""

    name: ClassVar[str] = "watsonx"
    provider: ClassVar[str] = "ibm.watsonx.ai"
    endings: ClassVar[tuple[str, ...]] = tuple(_OPERATIONS)
    chat: ClassVar[type[Dialect]]
    """Reads text chat; set by the registry, since formats know nothing of each other."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._chat: Dialect | None = None
        self._given: int | None = None
        self._made: int | None = None

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of `/ml/v1/text/generation_stream` and its kin, of deployments too."""
        path = request.path.rstrip("/")
        operation, streaming = _OPERATIONS.get(path.rpartition("/")[2], ("", False))
        if request.method != "POST" or not operation or "/ml/v1" not in path:
            return None
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation=operation,
            model=request.get("model_id", str) or _deployment(path),
            streaming=streaming,
            attributes=settings(request, "parameters", _SETTINGS),
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame has a result with text as watsonx has it."""
        event = _EVENT.decode(frame.raw) if b'"generated_text"' in frame.raw else None
        return event is not None and bool(event.results)

    def feed(self, frame: Frame) -> None:
        if self._chat is not None:
            self._chat.feed(frame)
            return
        event = _EVENT.decode(frame.raw)
        if event is None:
            unknown(self._meaning, frame)
        elif event.results is not None:
            self._results(event, event.results)
        elif event.choices:
            self._chat = self.chat(self._meaning)
            self._chat.feed(frame)
        elif (failure := read_failure(frame.raw)) is not None:
            self._meaning.error(failure)
        else:
            self._meaning.skip("event")

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer."""
        event = _EVENT.decode(body)
        if event is not None and event.results is not None:
            self._results(event, event.results)
            self._meaning.done()
        elif event is not None and event.choices:
            self.chat(self._meaning).whole(body)
        else:
            self._meaning.skip("body")

    def _results(self, event: _Event, results: list[_Result]) -> None:
        if event.model_id:
            self._meaning.head(None, event.model_id)
        for index, result in enumerate(results):
            if result.generated_text:
                self._meaning.delta(result.generated_text, "output", index)
            self._account(result)
            if result.stop_reason and result.stop_reason != "not_finished":
                self._meaning.finish(result.stop_reason, index)

    def _account(self, result: _Result) -> None:
        self._given = result.input_token_count or self._given
        self._made = self._made if result.generated_token_count is None else result.generated_token_count
        if self._given is not None or self._made is not None:
            self._meaning.usage(Usage(self._given, self._made))


def _deployment(path: str) -> str | None:
    return path.partition("/deployments/")[2].partition("/")[0] or None
