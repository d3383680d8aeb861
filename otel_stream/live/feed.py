"""The feed of one process: what its watchers are sent, as bytes of a server-sent event stream.

The first frame is a snapshot, then come the events. Ids are `<epoch>-<events in the log so far>`. Whoever
comes back with its last id goes on where it was; what got lost is told by a `lagged` frame, and a new
snapshot sets everything right. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from otel_stream import semconv
from otel_stream.broadcaster import Receiver, StreamEventBroadcaster
from otel_stream.config import Settings
from otel_stream.events import StreamEvent, encode
from otel_stream.live.frames import Clients, Gateway, Lagged, Snapshot, encode_control, encode_withheld
from otel_stream.live.recent import Recent
from otel_stream.live.wish import Wish
from otel_stream.processor import StreamSpanProcessor

LINGER_SECONDS = 15.0  # how long the log is kept for a watcher that left and may come back
PING_SECONDS = 15.0  # a comment when nothing else was sent: proxies and watchers learn that we live
RESYNC_SECONDS = 1.0  # a watcher that lags all the time gets no more snapshots than one in this time
DUTY = 100  # snapshots at intervals may take 1/100 of the time, however many streams are in flight

Encode = Callable[[StreamEvent], bytes]


class Feed:
    """One per process and server. `Recent` must hear the broadcaster's events. One thread at a time."""

    def __init__(
        self,
        processor: StreamSpanProcessor,
        settings: Settings,
        recent: Recent,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.processor = processor
        self.recent = recent
        self.clock = clock
        self.clients = Clients()
        self._text = settings.live_text
        self._stall_seconds = settings.stall_seconds
        self._service = service_name()
        self._version = semconv.scope_version()
        self._epoch = _new_epoch()
        self._held: Receiver | None = None
        self._held_until = 0.0

    @property
    def broadcaster(self) -> StreamEventBroadcaster:
        return self.processor.broadcaster

    @property
    def allows_text(self) -> bool:
        """Whether the gateway's settings let the text of answers onto the feed."""
        return self._text

    def gateway(self) -> Gateway:
        """Return what this process tells of itself."""
        return Gateway(
            os.getpid(),
            self._service,
            self._epoch,
            version=self._version,
            text=self._text,
            stall_seconds=self._stall_seconds,
        )

    def snapshot(self, wish: Wish, since: int = 0) -> tuple[Snapshot, int]:
        """Return what is there, with the streams that ended from number `since` on; and the next number."""
        states = self.processor.snapshot()
        recent, number = self.recent.since(since)
        return Snapshot(
            self.gateway(),
            time.time_ns(),
            tuple(filter(wish.wants_state, states)),
            tuple(filter(wish.wants_finished, recent)),
        ), number

    # -- watchers come and go --------------------------------------------------------------------------

    def subscribe(self, wish: Wish, last_event_id: str = "") -> Subscription:
        """Return a subscription, going on after `last_event_id` if that is possible. Close it in any case."""
        since = self._position(last_event_id)
        receiver = self.broadcaster.subscribe(name="live", since=since)
        self._release()
        self.clients.watching += 1
        came_back = bool(last_event_id)
        return Subscription(self, wish, receiver, came_back=came_back, resumed=since is not None)

    def leave(self, receiver: Receiver) -> None:
        """A watcher left. The last one's place in the log is held for a while, or nothing would be kept."""
        self.clients.watching -= 1
        if self.clients.watching:
            receiver.close()
            return
        self._held = receiver
        self._held_until = self.clock() + LINGER_SECONDS

    def tend(self) -> bool:
        """Keep the held place up to date, or give it up when its time is over; whether there is one."""
        if self._held is None:
            return False
        if self.clock() < self._held_until and not self._held.closed:
            self._held.try_recv_many()
            return True
        self._release()
        self._epoch = _new_epoch()
        return False

    def close(self) -> None:
        """Give up the held place. Subscriptions are their watchers' to close."""
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def _position(self, last_event_id: str) -> int | None:
        """Return where to go on; None when the log was not kept since then."""
        epoch, _, position = last_event_id.rpartition("-")
        kept = self.clients.watching or self._held is not None
        if not kept or epoch != self._epoch or not (position.isascii() and position.isdecimal()):
            return None
        return int(position)


class Subscription:
    """One watcher's way through the log. `first` once, then `more` again and again, `close` at the end."""

    def __init__(self, feed: Feed, wish: Wish, receiver: Receiver, *, came_back: bool, resumed: bool) -> None:
        self._feed = feed
        self._wish = wish
        self._receiver = receiver
        self._came_back = came_back
        self._resumed = resumed
        self._epoch = feed.gateway().epoch
        self._encode: Encode = encode if feed.allows_text and wish.text is not False else encode_withheld
        self._lagged = 0
        self._recent = 0
        self._gap = False
        self._due = self._sent = feed.clock()
        self._open = True

    def first(self) -> bytes:
        """Return the frames the feed begins with."""
        if self._resumed:
            snapshot = Snapshot(self._feed.gateway(), time.time_ns(), resumed=True)
            self._due = self._feed.clock() + (self._wish.refresh_seconds or 0)
            return self._control(snapshot)
        lost = self._control(Lagged(None, time.time_ns())) if self._came_back else b""
        return lost + self._snapshot()

    def more(self) -> bytes:
        """Return what is new, maybe nothing. Raises: Closed when the gateway's broadcast is over."""
        events = self._receiver.try_recv_many()
        first = self._receiver.position - len(events)
        parts = self._lag(first) + self._events(events, first)
        now = self._feed.clock()
        if self._wants_snapshot(now):
            parts.append(self._snapshot())
        if not parts and now - self._sent >= PING_SECONDS:
            parts.append(b": ping\n\n")
        if parts:
            self._sent = now
        return b"".join(parts)

    def close(self) -> None:
        """Leave the feed. Twice is a no-op."""
        if self._open:
            self._open = False
            self._feed.leave(self._receiver)

    # -- plumbing ----------------------------------------------------------------------------------------

    def _lag(self, position: int) -> list[bytes]:
        missed = self._receiver.lagged - self._lagged
        if not missed:
            return []
        self._lagged += missed
        self._gap = True
        self._wish.forget()
        return [self._control(Lagged(missed, time.time_ns()), position)]

    def _events(self, events: list[StreamEvent], position: int) -> list[bytes]:
        epoch, line = self._epoch.encode(), self._encode
        if self._wish.everything:
            return [
                b"id: %b-%d\ndata: %b\n\n" % (epoch, number, line(event))
                for number, event in enumerate(events, position + 1)
            ]
        parts = []
        wanted = True
        for number, event in enumerate(events, position + 1):
            wanted = self._wish.wants(event, self._feed.recent.started)
            if wanted:
                parts.append(b"id: %b-%d\ndata: %b\n\n" % (epoch, number, line(event)))
        if not wanted:  # an id without data is no event, but the next `Last-Event-ID`
            parts.append(b"id: %b-%d\n\n" % (epoch, self._receiver.position))
        return parts

    def _wants_snapshot(self, now: float) -> bool:
        return now >= self._due and (self._gap or self._wish.refresh_seconds is not None)

    def _snapshot(self) -> bytes:
        began = self._feed.clock()
        snapshot, self._recent = self._feed.snapshot(self._wish, self._recent)
        frame = self._control(snapshot)
        ended = self._feed.clock()
        self._gap = False
        wait = RESYNC_SECONDS if self._wish.refresh_seconds is None else self._wish.refresh_seconds
        self._due = ended + max(wait, DUTY * (ended - began))
        return frame

    def _control(self, frame: Snapshot | Lagged, position: int | None = None) -> bytes:
        """Return the frame; its id says that events from `position` on are still to come."""
        kind = "snapshot" if isinstance(frame, Snapshot) else "lagged"
        number = self._receiver.position if position is None else position
        head = f"id: {self._epoch}-{number}\nevent: {kind}\ndata: "
        return head.encode() + encode_control(frame) + b"\n\n"


def service_name() -> str:
    """Return how the gateway is called: `service.name` where the environment has one, else its program."""
    named = os.environ.get("OTEL_SERVICE_NAME", "").strip()
    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    given = {name.strip(): value.strip() for name, _, value in pairs}
    return named or given.get("service.name") or Path(sys.argv[0]).name or "gateway"


def _new_epoch() -> str:
    return secrets.token_hex(4)
