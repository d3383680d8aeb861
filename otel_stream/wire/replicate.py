"""Replicate's stream of a prediction.

https://replicate.com/docs/topics/predictions/streaming
Server-sent events with plain text as data; ends with `done`, whose reason tells how. Which model it is and
what it costs stands in the prediction, which is another request.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from otel_stream.facts import facts
from otel_stream.failures import read_failure
from otel_stream.loose import LooseDecoder
from otel_stream.meaning import CallFacts, Failure, Frame, Meaning, Request


class _Done(msgspec.Struct, gc=False):
    reason: str | None = None


_DONE = LooseDecoder(_Done)


class ReplicateStream:
    """Reads the events of one prediction. One instance per response."""

    name: ClassVar[str] = "replicate_stream"
    provider: ClassVar[str] = "replicate"
    endings: ClassVar[tuple[str, ...]] = ("streams/*",)

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning

    @classmethod
    def recognise(cls, request: Request) -> CallFacts | None:
        """Return the facts of a `GET /v1/streams/{id}` request to Replicate."""
        if request.method != "GET" or "replicate" not in request.host or "/streams/" not in request.path:
            return None
        return facts(
            request, format=cls.name, provider=cls.provider, operation="text_completion", streaming=True
        )

    @classmethod
    def sniff(cls, frame: Frame) -> bool:  # noqa: ARG003 - the protocol's
        """Tell nothing: an event called `output` may be anybody's."""
        return False

    def feed(self, frame: Frame) -> None:
        match frame.event:
            case "output":
                if frame.raw:
                    self._meaning.delta(frame.raw.decode("utf-8", "replace"))
            case "done":
                self._end(_DONE.decode(frame.raw) or _Done())
            case "error":
                text = frame.raw.decode("utf-8", "replace")
                self._meaning.error(read_failure(frame.raw) or Failure(None, None, text))
            case "logs":
                pass
            case other:
                self._meaning.skip(other)

    def whole(self, body: bytes) -> None:  # noqa: ARG002 - the protocol's
        """Skip: what is no stream is no answer."""
        self._meaning.skip("body")

    def _end(self, done: _Done) -> None:
        """A cancelled prediction has no end of its own: how the transport ends tells what it was."""
        if done.reason == "error":
            self._meaning.error(Failure(None, None, None))
        elif done.reason != "canceled":
            self._meaning.done()
