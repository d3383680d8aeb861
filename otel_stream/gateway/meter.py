"""What is learned from the items of a stream that somebody passes through our hands.

A meter belongs to the proxies around one stream and lives as long as any of them: when the last is gone
and nobody has closed the stream, it was abandoned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

import msgspec

from otel_stream import wire
from otel_stream._guard import guarded, guarded_step
from otel_stream.framing import Payload
from otel_stream.framing.undeclared import Undeclared
from otel_stream.meaning import Usage
from otel_stream.outcome import Ending, ending_of
from otel_stream.reaper import REAPER
from otel_stream.recorder import Recorder

Extracted: TypeAlias = "str | Usage | Iterable[str | Usage | None] | None"
Extract: TypeAlias = Callable[[Any], Extracted]
"""Tells what an item means: its text, token counts so far, nothing, or several of these."""


class Reading(Protocol):
    """One way of reading items."""

    def feed(self, item: Any) -> None: ...

    def close(self) -> None:
        """The stream ended by itself."""


class Meter:
    """Feeds one recorder and ends it once. Never raises."""

    def __init__(self, recorder: Recorder, reading: Reading) -> None:
        self._recorder = recorder
        self._reading = reading
        self._open = True
        self._interrupted = False

    @guarded_step("gateway.feed")
    def feed(self, item: Any) -> None:
        """The host got this item."""
        if self._open:
            self._interrupted = False
            self._recorder.tick()
            self._reading.feed(item)

    @guarded("gateway.finished")
    def finished(self) -> None:
        """The stream ended by itself."""
        if self._open:
            try:
                self._reading.close()
            finally:
                self._end("eof")

    @guarded("gateway.closed")
    def closed(self) -> None:
        """The host closed the stream, before its end or after."""
        self._end("closed")

    @guarded("gateway.failed")
    def failed(self, error: BaseException, *, final: bool = True) -> None:
        """Reading raised. A cancelled read that is not `final` may be tried again, as under `wait_for`."""
        ending = ending_of(error)
        if ending == "cancelled" and not final:
            self._interrupted = True
        else:
            self._end(ending, error)

    def _end(self, ending: Ending, error: BaseException | None = None) -> None:
        self._open = False
        REAPER.end(self._recorder, ending, error)

    def __del__(self) -> None:
        if self._open:
            REAPER.drop(self._recorder, "cancelled" if self._interrupted else "abandoned")


class Texts:
    """Items whose meaning `extract` tells, or that are text; the end of the iterator completes the stream."""

    def __init__(self, recorder: Recorder, extract: Extract | None) -> None:
        self._recorder = recorder
        self._extract = extract

    def feed(self, item: Any) -> None:
        found = item if self._extract is None else self._extract(item)
        if isinstance(found, (str, Usage)) or found is None:
            self._tell(found)
        elif self._extract is not None:
            for one in found:
                self._tell(one)

    def _tell(self, found: str | Usage | None) -> None:
        if isinstance(found, Usage):
            self._recorder.usage(found)
        elif found:
            self._recorder.delta(found)

    def close(self) -> None:
        self._recorder.done()


class Wire:
    """Items in an API's own format: its bytes or text as they come, or its frames as objects, whole each."""

    def __init__(self, recorder: Recorder, format: type[wire.Format], max_frame_bytes: int) -> None:
        self._framing = Undeclared(max_frame_bytes)
        self._parser = format(recorder)

    def feed(self, item: Any) -> None:
        if isinstance(item, str):
            item = item.encode()
        if isinstance(item, (bytes, bytearray, memoryview)):
            for frame in self._framing.feed(bytes(item)):
                self._parser.feed(frame)
        else:
            self._parser.feed(Payload(_json(item)))

    def close(self) -> None:
        for frame in self._framing.close():
            self._parser.feed(frame)
        document = self._framing.document
        if document:
            self._parser.whole(document)


def _json(item: Any) -> bytes:
    """Return the JSON of a frame that SDKs hand out as an object: pydantic's, a dict, a dataclass."""
    dump = getattr(item, "model_dump_json", None)
    return msgspec.json.encode(item) if dump is None else str(dump()).encode()
