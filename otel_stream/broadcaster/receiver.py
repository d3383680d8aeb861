"""The receiving end: a position in the log, with async, sampled, blocking and polling ways to read on.

Made by `StreamEventBroadcaster.subscribe`. The promises are those of tokio's broadcast receiver.
https://docs.rs/tokio/latest/tokio/sync/broadcast/struct.Receiver.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import NamedTuple, final

from otel_stream.broadcaster._channel import Channel
from otel_stream.broadcaster._cursor import EVERYTHING, Filter
from otel_stream.broadcaster._reader import Reader, limit_of
from otel_stream.broadcaster.errors import Closed, Empty, Lagged
from otel_stream.events import StreamEvent


class ReceiverState(NamedTuple):
    """A receiver as told to metrics; counts are events. `lost` includes what it has not noticed yet."""

    name: str
    received: int
    lost: int
    backlog: int


@final
class Receiver(Reader):
    """A subscription, read by one task or thread at a time. Closes itself when it is collected.

    It gets every event sent after it was made, in the one order all receivers see. One that falls behind by
    more than the capacity loses the oldest: `recv`, `try_recv` and `get` raise `Lagged` once per gap, the
    iterators and `*_many` go on. After the broadcaster's end what is kept is still read, then comes `Closed`.
    """

    def __init__(self, channel: Channel, filter: Filter | None, name: str, since: int | None = None) -> None:
        super().__init__(channel, filter)
        self.name = name
        self._filter = filter
        self._left_at = 0
        channel.join(self, since)

    @property
    def received(self) -> int:
        """How many events were handed out so far; with a filter, of those that passed it."""
        return self._cursor.received

    @property
    def lagged(self) -> int:
        """How many events are known to be lost so far, of any kind, whatever the filter."""
        return self._cursor.lagged

    @property
    def position(self) -> int:
        """The number of the next event it reads, for `subscribe(since=)`; events are numbered from 0."""
        return self._left_at if self._gone else self._cursor.position

    def __len__(self) -> int:
        """Return how many events were sent and not read, those already overwritten included."""
        return self._cursor.unread()

    def __bool__(self) -> bool:
        return True

    def lost(self) -> int:
        """Return `lagged` plus what was overwritten since the last read."""
        return self._cursor.lost()

    def state(self) -> ReceiverState:
        """Return the counts for metrics."""
        return ReceiverState(self.name, self.received, self.lost(), len(self))

    def try_recv(self) -> StreamEvent:
        """Return the next event. Raises: Empty, Closed, Lagged once per gap."""
        events = self._take(1, strict=True)
        if not events:
            raise Empty
        return events[0]

    def try_recv_many(self, limit: int | None = None) -> list[StreamEvent]:
        """Return up to `limit` (None: all) events that are there, maybe none; a gap only counts.

        Raises: Closed.
        """
        return self._take(limit_of(limit))

    async def recv(self) -> StreamEvent:
        """Wait for the next event and return it. Cancelling it loses nothing.

        Raises: Closed, Lagged once per gap.
        """
        event = self._poll()
        return await self._next(strict=True) if event is None else event

    async def recv_many(self, limit: int | None = None) -> list[StreamEvent]:
        """Wait for events and return up to `limit` (None: all) of them; a gap only counts.

        Gives the event loop a turn between batches. Cancelling it loses nothing. Raises: Closed.
        """
        return await self._next_many(limit_of(limit))

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """Iterate until the end; a gap only counts."""
        return self

    async def __anext__(self) -> StreamEvent:
        event = self._poll()
        if event is not None:
            return event
        try:
            return await self._next(strict=False)
        except Closed:
            raise StopAsyncIteration from None

    async def with_gaps(self) -> AsyncIterator[StreamEvent | Lagged]:
        """Iterate until the end, with a `Lagged` in the place of the events that were missed."""
        while True:
            try:
                yield await self.recv()
            except Lagged as gap:  # noqa: PERF203 - a gap does not end the loop
                yield gap
            except Closed:
                return

    async def batches(self, interval: float) -> AsyncIterator[list[StreamEvent]]:
        """Every `interval` seconds yield what has come, if anything; the cheapest way to follow many streams.

        Senders never have to wake it. The capacity should hold twice what comes in an interval; `lagged` says
        whether it did. Raises: ValueError unless the interval is positive.
        """
        if not interval > 0:
            raise ValueError(f"interval must be a positive number of seconds; got {interval!r}")
        while True:
            try:
                events = self.try_recv_many()
            except Closed:
                return
            if events:
                yield events
            await asyncio.sleep(interval)

    def get(self, timeout: float | None = None) -> StreamEvent:
        """Block until the next event, at most `timeout` seconds (None: for ever), and return it.

        Raises: Empty when the time is over, Closed, Lagged once per gap, RuntimeError in an event loop.
        """
        events = self._block(1, timeout, strict=True)
        if not events:
            raise Empty
        return events[0]

    def get_many(self, timeout: float | None = None, limit: int | None = None) -> list[StreamEvent]:
        """Block until there are events, at most `timeout` seconds (None: for ever); return up to `limit`.

        Nothing came in time: an empty list. A gap only counts. Raises: Closed, RuntimeError in an event loop.
        """
        return self._block(limit_of(limit), timeout)

    def __iter__(self) -> Iterator[StreamEvent]:
        """Iterate until the end, blocking; a gap only counts."""
        return self

    def __next__(self) -> StreamEvent:
        try:
            return self._block(1, None)[0]
        except Closed:
            raise StopIteration from None

    def resubscribe(self) -> Receiver:
        """Return another receiver of the same filter and name that begins with the next event sent."""
        return Receiver(self._channel, self._filter, self.name)

    def close(self) -> None:
        """Leave: what is unread is given up and every way of reading says `Closed`. Twice is a no-op."""
        if not self._gone:
            self._channel.leave(self)
            self.detach()
            self._channel.news.ring()

    def attach(self, position: int) -> None:
        """Begin at the position; the channel calls it."""
        self._cursor.position = position
        self._gone = False

    def detach(self) -> None:
        """Be at the end; the channel calls it, or knows."""
        self._left_at = self._cursor.position
        self._gone = True
        self._cursor.position = EVERYTHING  # where nothing will ever be

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
