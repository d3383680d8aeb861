"""How a receiver waits: in an event loop, which it must not starve, or in a thread.

The plumbing under `Receiver`: a cursor in the channel's log, and the channel's bell.
"""

from __future__ import annotations

import asyncio
import time

from otel_stream.broadcaster._channel import Channel
from otel_stream.broadcaster._cursor import EVERYTHING, Cursor, Filter
from otel_stream.broadcaster.errors import Closed
from otel_stream.events import StreamEvent

BUDGET = 128  # events read one by one before the event loop gets a turn; tokio's budget of a task


class Reader:
    """Reads and waits for one task or thread at a time. `_gone`: it is no member of its channel."""

    def __init__(self, channel: Channel, filter: Filter | None) -> None:
        self._gone = True
        self._channel = channel
        self._cursor = Cursor(channel.log, filter)
        self._budget = BUDGET
        self._waiting = False

    @property
    def closed(self) -> bool:
        """Whether nothing more will be sent to it; something may be left to read."""
        return self._gone or self._channel.closed

    def _take(self, limit: int, *, strict: bool = False) -> list[StreamEvent]:
        finished = self.closed  # before reading: what was sent before the end is still handed out
        events = self._cursor.take(limit, strict=strict)
        if finished and not events:
            raise Closed
        return events

    def _poll(self) -> StreamEvent | None:
        """Return the next event in the plain case: it is there, and the loop has had its turn."""
        self._budget -= 1
        return self._cursor.quick() if self._budget >= 0 else None

    async def _next(self, *, strict: bool) -> StreamEvent:
        while True:
            await self._yield()
            self._budget -= 1
            events = self._take(1, strict=strict)
            if events:
                return events[0]
            await self._park()

    async def _next_many(self, limit: int) -> list[StreamEvent]:
        while True:
            await self._yield()
            events = self._take(limit)
            if events:
                self._budget = 0
                return events
            await self._park()

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

    async def _yield(self) -> None:
        """Give the loop a turn when it is due; without anything to read, parking gives it."""
        if self._budget <= 0:
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

    def _ready(self) -> bool:
        return self.closed or self._cursor.unread() > 0

    def _claim(self) -> None:
        if self._waiting:
            raise RuntimeError("somebody waits on this receiver already; each reader needs its own")
        self._waiting = True


def limit_of(limit: int | None) -> int:
    """Return the limit a caller has given, where None is none. Raises: ValueError below 1."""
    if limit is None:
        return EVERYTHING
    if limit < 1:
        raise ValueError(f"limit must be at least 1; got {limit}")
    return limit
