"""OpenAI audio transcriptions and translations: speech in, text out.

https://platform.openai.com/docs/api-reference/audio/createTranscription
Ends with `transcript.text.done`, which has the usage and the whole text once more. With speakers told
apart the text comes in segments, which are no deltas of one text and are left out.
"""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.failures import unknown
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Frame, Meaning, Request
from otel_stream.usage import ResponsesUsage, responses_usage

MAX_FORM_BYTES = 4096  # looked at, at either end of a form whose middle is audio

_FIELD = re.compile(rb'name="(model|stream)"\r?\n(?:[^\r\n]+\r?\n)*\r?\n([^\r\n]{1,128})')


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: str | None = None
    text: str | None = None
    usage: ResponsesUsage | None = None


class OpenAITranscriptions:
    """Reads the events of one transcription. One instance per response."""

    name: ClassVar[str] = "openai_transcriptions"
    provider: ClassVar[str] = "openai"
    endings: ClassVar[tuple[str, ...]] = ("transcriptions", "translations")
    decoder: ClassVar[LooseDecoder[_Event]] = LooseDecoder(_Event)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `…/audio/transcriptions` or `…/audio/translations` request: an upload."""
        if request.method != "POST" or "/audio/tran" not in request.path:
            return None
        form = _form(request.body or b"")
        return facts(
            request,
            format=cls.name,
            provider=cls.provider,
            operation="generate_content",
            model=form.get("model"),
            streaming=form.get("stream", "").lower() in ("true", "1"),
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:
        """Tell whether a first frame is a piece of a transcript."""
        event = cls.decoder.decode(frame.raw) if b'"transcript.text.' in frame.raw else None
        return event is not None and event.type.startswith("transcript.text.")

    def feed(self, frame: Frame) -> None:
        event = self.decoder.decode(frame.raw)
        if event is None:
            self._sentinel(frame)
        elif event.type == "transcript.text.delta":
            if event.delta:
                self._meaning.delta(event.delta)
        elif event.type == "transcript.text.done":
            self._account(event)
            self._meaning.done()
        elif event.type != "transcript.text.segment":
            unknown(self._meaning, frame, event.type)

    def whole(self, body: bytes) -> None:
        """Read a non-streaming answer: a JSON object, or the bare text (also as subtitles)."""
        answer = self.decoder.decode(body)
        if answer is not None:
            self._account(answer)
        text = body.decode("utf-8", "replace") if answer is None else answer.text
        if text:
            self._meaning.delta(text)
        self._meaning.done()

    def _account(self, event: _Event) -> None:
        if (usage := responses_usage(event.usage)) is not None:
            self._meaning.usage(usage)

    def _sentinel(self, frame: Frame) -> None:
        if frame.raw.strip() == b"[DONE]":
            self._meaning.done()
        else:
            unknown(self._meaning, frame)


def _form(body: bytes) -> dict[str, str]:
    """Return the fields of a multipart form that are read: `model` and `stream`."""
    ends = body[:MAX_FORM_BYTES] + body[-MAX_FORM_BYTES:]
    return {name.decode(): value.decode("utf-8", "replace").strip() for name, value in _FIELD.findall(ends)}
