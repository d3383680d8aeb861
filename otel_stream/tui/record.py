"""Recordings of live feeds: frames as lines of JSON, written as they come, played back by their own clock.

A line is what stood on the feed with the gateway it came from added: `{"type":"started",…,"from":"4711"}`.
So a recording is made by `top`, by `tail --json`, and by the setting `OTEL_STREAM_TAIL`, which adds none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from otel_stream.events import encode
from otel_stream.live.frames import Frame, Lagged, Snapshot, decode_frame, encode_control


class Recorded(NamedTuple):
    """A frame, where it came from, and when: nanoseconds since the epoch, 0 where nobody said."""

    gateway: str
    frame: Frame
    at: int


class _From(msgspec.Struct, rename={"gateway": "from"}):
    gateway: str = ""


_from = msgspec.json.Decoder(_From)


def line_of(gateway: str, frame: Frame) -> bytes:
    """Return the frame as a line, its end included."""
    data = encode_control(frame) if isinstance(frame, Snapshot | Lagged) else encode(frame)
    return data[:-1] + b',"from":' + msgspec.json.encode(gateway) + b"}\n"


def read_line(line: bytes) -> Recorded:
    """Return what a line tells. Raises: msgspec.DecodeError (a ValueError) when it is no frame."""
    frame = decode_frame(line)
    return Recorded(_from.decode(line).gateway, frame, frame.time_unix_nano or 0)


class Replay:
    """Plays a recording: `due` gives what is to happen by a time of the recording's own."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.skipped = 0
        """Lines that are no frames."""
        self.ended = False
        self._frames = self._read(lines)
        self._next: Recorded | None = None
        self._advance()
        self.began = self._next.at if self._next is not None else 0
        """When the recording begins, in nanoseconds since the epoch."""

    def due(self, now: int) -> list[Recorded]:
        """Return what happened up to `now`, in order, each once."""
        found = []
        while self._next is not None and self._next.at <= now:
            found.append(self._next)
            self._advance()
        return found

    def _advance(self) -> None:
        self._next = next(self._frames, None)
        self.ended = self._next is None

    def _read(self, lines: Iterable[bytes]) -> Iterator[Recorded]:
        """Yield frames in the order of the file; time never runs back in it."""
        last = 0
        for line in lines:
            try:
                found = read_line(line)
            except msgspec.DecodeError:
                self.skipped += bool(line.strip())
                continue
            last = max(last, found.at)
            yield found._replace(at=last)
