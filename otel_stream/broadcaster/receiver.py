"""The receiving end: a position in the log, with async, sampled, blocking and polling ways to read on.

Made by `StreamEventBroadcaster.subscribe`. The promises are those of tokio's broadcast receiver.
https://docs.rs/tokio/latest/tokio/sync/broadcast/struct.Receiver.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import NamedTuple, final

from otel_stream.broadcaster._channel import Channel
from otel_stream.broadcaster._cursor import EVERYTHING, Cursor, Filter
from otel_stream.broadcaster.errors import Closed, Empty, Lagged
from otel_stream.events import StreamEvent

BUDGET = 128  # events read one by one before the event loop gets a turn; tokio's budget of a task


class ReceiverState(NamedTuple):
    """A receiver as told to metrics; counts are events. `lost` includes what it has not noticed yet."""

    name: str
    received: int
    lost: int
    backlog: int


@final
class Receiver:
    """A subscription, read by one task or thread at a time. Closes itself when it is collected.

    It gets every event sent after it was made, in the one order all receivers see. One that falls behind by
    more than the capacity loses the oldest: `recv`, `try_recv` and `get` raise `Lagged` once per gap, the
    iterators and `*_many` go on. After the broadcaster's end what is kept is still read, then comes `Closed`.
    """

    def __init__(self, channel: Channel, filter: Filter | None, name: str, since: int | None = None) -> None:
        self._gone = True  # until it has joined
        self.name = name
        self._channel = channel
        self._filter = filter
        self._cursor = Cursor(channel.log, filter)
        self._budget = BUDGET
        self._waiting = False
        self._cursor.position = channel.join(self, since)
        self._gone = False

    @property
    def received(self) -> int:
        """How many events were handed out so far; with a filter, of those that passed it."""
        return self._cursor.received

    @property
    def lagged(self) -> int:
        """How many events are known to be lost so far, of any kind, whatever the filter."""
        return self._cursor.lagged

    @property
    def closed(self) -> bool:
        """Whether nothing more will be sent to it; something may be left to read."""
        return self._gone or self._channel.closed

    @property
    def position(self) -> int:
        """The number of the next event it reads, for `subscribe(since=)`; events are numbered from 0."""
        return self._cursor.position

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

    # -- reading at once

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
        return self._take(_checked(limit))

    # -- reading in an event loop

    async def recv(self) -> StreamEvent:
        """Wait for the next event and return it. Cancelling it loses nothing.

        Raises: Closed, Lagged once per gap.
        """
        return await self._next(strict=True)

    async def recv_many(self, limit: int | None = None) -> list[StreamEvent]:
        """Wait for events and return up to `limit` (None: all) of them; a gap only counts.

        Gives the event loop a turn between batches. Cancelling it loses nothing. Raises: Closed.
        """
        most = _checked(limit)
        while True:
            if self._budget <= 0:
                await self._yield()
            events = self._take(most)
            if events:
                self._budget = 0
                return events
            await self._park()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """Iterate until the end; a gap only counts."""
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            return await self._next(strict=False)
        except Closed:
            raise StopAsyncIteration from None

    async def with_gaps(self) -> AsyncIterator[StreamEvent | Lagged]:
        """Iterate until the end, with a `Lagged` in the place of the events that were missed."""
        while True:
            try:
                yield await self._next(strict=True)
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

    # -- reading in a thread

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
        return self._block(_checked(limit), timeout)

    def __iter__(self) -> Iterator[StreamEvent]:
        """Iterate until the end, blocking; a gap only counts."""
        return self

    def __next__(self) -> StreamEvent:
        try:
            return self._block(1, None)[0]
        except Closed:
            raise StopIteration from None

    # -- life

    def resubscribe(self) -> Receiver:
        """Return another receiver of the same filter and name that begins with the next event sent."""
        return Receiver(self._channel, self._filter, self.name)

    def close(self) -> None:
        """Leave: what is unread is given up and every way of reading says `Closed`. Twice is a no-op."""
        if not self._gone:
            self._channel.leave(self)
            self.detach()
            self._channel.news.ring()

    def detach(self) -> None:
        """Be at the end, without telling the channel."""
        self._gone = True
        self._cursor.position = self._channel.log.end()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    # -- plumbing

    def _take(self, limit: int, *, strict: bool = False) -> list[StreamEvent]:
        finished = self.closed  # before reading: what was sent before the end is still handed out
        events = self._cursor.take(limit, strict=strict)
        if finished and not events:
            raise Closed
        return events

    def _ready(self) -> bool:
        return self.closed or len(self) > 0

    async def _next(self, *, strict: bool) -> StreamEvent:
        while True:
            if self._budget <= 0:
                await self._yield()
            self._budget -= 1
            events = self._take(1, strict=strict)
            if events:
                return events[0]
            await self._park()

    async def _yield(self) -> None:
        """Give the loop a turn before reading on; without anything to read, parking gives it."""
        self._budget = BUDGET
        if self._ready():
            await asyncio.sleep(0)

    async def _park(self) -> None:
        self._budget = BUDGET
        self._claim()
        try:
            await self._channel.news.wait(self._ready)
        finally:
            self._waiting = False

    def _block(self, limit: int, timeout: float | None, *, strict: bool = False) -> list[StreamEvent]:
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - documented for event loops
            raise RuntimeError("this would block the event loop; use recv(), recv_many() or async for")
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            events = self._take(limit, strict=strict)
            left = None if deadline is None else deadline - time.monotonic()
            if events or (left is not None and left <= 0):
                return events
            self._claim()
            try:
                self._channel.news.wait_blocking(self._ready, left)
            finally:
                self._waiting = False

    def _claim(self) -> None:
        if self._waiting:
            raise RuntimeError("somebody waits on this receiver already; each reader needs its own")
        self._waiting = True


def _checked(limit: int | None) -> int:
    if limit is None:
        return EVERYTHING
    if limit < 1:
        raise ValueError(f"limit must be at least 1; got {limit}")
    return limit
