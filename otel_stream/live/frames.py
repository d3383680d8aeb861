"""The frames of the live feed: the events of docs/events.md, and two that only a feed has.

Spoken between `live.feed`, which writes them as server-sent events, and whoever watches: screen, page, tail.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from otel_stream.events import Completed, Ended, Error, Started, StreamEvent, TextDelta, encode
from otel_stream.processor.state import StreamState


class Gateway(msgspec.Struct, frozen=True, omit_defaults=True):
    """The process a feed comes from. Workers of one gateway share `service` and differ in `pid`."""

    pid: int
    service: str
    epoch: str
    """Event ids begin with it. It changes when the feed cannot be resumed any more."""
    version: str = ""
    text: bool = False
    """Whether the text of answers is on the feed."""
    stall_seconds: float = 10.0
    """The gateway's own setting of what counts as a stall."""


class Finished(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stream that ended lately; `started` is None when its beginning was not seen."""

    ended: Ended
    started: Started | None = None


class Clients(msgspec.Struct):
    """Who watches, and what became of others. In `/snapshot` only."""

    watching: int = 0
    refused: int = 0
    """Turned away: too many, of another user, or without the token."""
    dropped: int = 0
    """Let go because they did not read."""


class Snapshot(msgspec.Struct, frozen=True, tag_field="type", tag="snapshot", omit_defaults=True):
    """What there is now. The first frame of a feed; again after a gap, and at intervals if asked for.

    Events that follow and have a sequence number up to a state's are included in it already.
    """

    gateway: Gateway
    time_unix_nano: int
    streams: tuple[StreamState, ...] = ()
    """All streams in flight that pass the feed's filter."""
    recent: tuple[Finished, ...] = ()
    """Streams that ended since the feed's last snapshot, or lately in its first."""
    resumed: bool = False
    """True after `Last-Event-ID`: nothing is told here, the events go on where they had stopped."""
    clients: Clients | None = None


class Lagged(msgspec.Struct, frozen=True, tag_field="type", tag="lagged", omit_defaults=True):
    """Events are missing here: the reader was too slow, or came back too late. A snapshot follows."""

    missed: int | None
    """How many; None when that cannot be known."""
    time_unix_nano: int = 0


Frame: TypeAlias = Snapshot | Lagged | StreamEvent

_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(
    Snapshot | Lagged | Started | TextDelta | Completed | Error
)
_encoder = msgspec.json.Encoder()


def decode_frame(data: bytes | str) -> Frame:
    """Return the frame a line of JSON tells; unknown further fields are ignored.

    Raises: msgspec.DecodeError (a ValueError) when it is none.
    """
    return _decoder.decode(data)


def encode_control(frame: Snapshot | Lagged) -> bytes:
    """Return the frame as a line of JSON without its end."""
    return _encoder.encode(frame)


def encode_withheld(event: StreamEvent) -> bytes:
    """Return the event as a line of JSON; of a delta only its length."""
    if isinstance(event, TextDelta) and event.text:
        length = len(event.text) if event.length is None else event.length
        event = TextDelta(
            event.request_id,
            "",
            event.channel,
            event.index,
            length,
            event.time_unix_nano,
            event.sequence,
            event.trace_id,
            event.span_id,
        )
    return encode(event)
