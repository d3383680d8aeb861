"""The live broadcast of a process: stream events from any thread to any number of readers, never waiting.

Owned by the `StreamSpanProcessor`; the recorder sends, the live endpoint, the screen and metrics read.
Semantics are those of tokio's broadcast channel, but the capacity is exact and iterators survive a gap.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable

from otel_stream.broadcaster._channel import Channel
from otel_stream.broadcaster._cursor import Filter
from otel_stream.broadcaster._listener import MAX_FAILURES, Listen, Listener
from otel_stream.broadcaster.errors import Closed, Empty, Lagged
from otel_stream.broadcaster.receiver import Receiver, ReceiverState
from otel_stream.events import StreamEvent, TextDelta

__all__ = [
    "MAX_FAILURES",
    "Closed",
    "Empty",
    "Lagged",
    "Receiver",
    "ReceiverState",
    "StreamEventBroadcaster",
]

MAX_CAPACITY = 1 << 24  # events; 16 million of some 200 bytes are 3 GiB, more is a slip of the keyboard


class StreamEventBroadcaster:
    """One bounded log of events that receivers read at their own pace, beside listeners told inside `send`.

    `capacity` is how many events a receiver may fall behind; slower ones lose the oldest and are told how
    many. At most twice as many (or 64 more) are held, and none without receivers. Rule: events a second at
    peak x seconds between reads x 2. Closing is explicit, or happens when the broadcaster is collected.

    Raises: ValueError for a capacity below 1 or above `MAX_CAPACITY`, TypeError for one that is no int.
    """

    active: bool
    """Somebody wants deltas. A plain attribute: asking before building an event costs next to nothing."""

    def __init__(self, capacity: int = 1000) -> None:
        if not 1 <= operator.index(capacity) <= MAX_CAPACITY:
            raise ValueError(f"capacity must be from 1 to {MAX_CAPACITY} events; got {capacity}")
        self.active = False
        self._channel = Channel(capacity, _weakly(self))
        self._log = self._channel.log
        self._events = self._log.events
        self._limit = self._log.limit
        self._armed = self._channel.news.armed
        self._subscribed = 0
        self._listeners: tuple[Listener, ...] = ()
        self._delta_listeners: tuple[Listener, ...] = ()

    @property
    def capacity(self) -> int:
        """How many events a receiver may fall behind."""
        return self._log.capacity

    def send(self, event: StreamEvent) -> int:
        """Hand the event to receivers and listeners; return how many receivers are subscribed.

        Never raises, never waits, takes no lock, whatever thread, and also from within a listener or a
        finalizer. Without receivers the event is not kept.
        """
        if self.active:
            if self._subscribed:
                self._events.append(event)
                if len(self._events) > self._limit:
                    self._log.trim()
                if self._armed:
                    self._channel.news.ring()
            if self._listeners:
                self._tell(event)
            return self._subscribed
        if self._listeners and event.__class__ is not TextDelta:
            self._tell(event)
        return 0

    def subscribe(
        self, filter: Filter | None = None, name: str | None = None, *, since: int | None = None
    ) -> Receiver:
        """Return a receiver of the events sent from now on, of those `filter` is true for (None: of all).

        `name` is the label under which lost events are counted (None: "subscriber"). `since` begins earlier,
        at another receiver's `position`; what is no longer kept counts as lagged, what was sent while nobody
        subscribed was never numbered. On a closed broadcaster the receiver is at its end from the start.
        """
        return Receiver(self._channel, filter, name or "subscriber", since)

    def add_listener(self, function: Listen, *, deltas: bool = False) -> Callable[[], None]:
        """Call the function inside every `send` that is not a `TextDelta`, or of every one; lose none.

        It runs in the sender's thread, so it must be quick. What it raises is logged once and kept from the
        sender; after `MAX_FAILURES` in a row it is removed. Returns the function that removes it.
        """
        listener = Listener(function, deltas=deltas)
        with self._log.lock:
            if not self._channel.closed:
                self._listen((*self._listeners, listener))

        def remove() -> None:
            self._remove(listener)

        return remove

    def receiver_count(self) -> int:
        """Return how many receivers are subscribed."""
        return self._channel.count()

    def receivers(self) -> tuple[ReceiverState, ...]:
        """Return name and counts of each receiver, for metrics."""
        return tuple(member.state() for member in self._channel.members() if isinstance(member, Receiver))

    @property
    def published(self) -> int:
        """How many events were kept for receivers since the start; those nobody subscribed to are not."""
        return self._log.end()

    def lost(self) -> dict[str, int]:
        """Return how many events the receivers of each name have lost so far, of receivers gone as well."""
        return dict(self._channel.lost())

    def backlog(self) -> int:
        """Return how many kept events some receiver has not read."""
        return min(self.capacity, max((state.backlog for state in self.receivers()), default=0))

    async def closed(self) -> None:
        """Wait until there is no receiver; at once when there is none now."""
        while self.receiver_count():
            await self._channel.vacant.wait(lambda: not self.receiver_count())

    def close(self) -> None:
        """End it: receivers read what is kept, then see `Closed`; sending does nothing. Twice is a no-op."""
        with self._log.lock:
            self._channel.closed = True
            self._listen(())
        self._channel.close()

    def __del__(self) -> None:
        if hasattr(self, "_delta_listeners"):  # not when the capacity was refused
            self.close()

    def _tell(self, event: StreamEvent) -> None:
        listeners = self._delta_listeners if event.__class__ is TextDelta else self._listeners
        for listener in listeners:
            if not listener.tell(event):
                self._remove(listener)

    def _remove(self, listener: Listener) -> None:
        with self._log.lock:
            self._listen(tuple(other for other in self._listeners if other is not listener))

    def _listen(self, listeners: tuple[Listener, ...]) -> None:
        self._listeners = listeners
        self._delta_listeners = tuple(listener for listener in listeners if listener.deltas)
        self._changed()

    def _changed(self) -> None:
        """Bring the flags `send` looks at up to date; called under the log's lock."""
        channel = self._channel
        while True:
            receivers = channel.count()
            self._subscribed = receivers
            self.active = not channel.closed and (receivers > 0 or self._delta_listeners != ())
            if receivers == channel.count():  # else a finalizer has dropped one in between
                return


def _weakly(broadcaster: StreamEventBroadcaster) -> Callable[[], None]:
    """Return a call of `_changed` that does not keep the broadcaster alive."""
    reference = weakref.ref(broadcaster)

    def changed() -> None:
        alive = reference()
        if alive is not None:
            alive._changed()  # noqa: SLF001 - our own

    return changed
