"""A position in the log and what happened on the way: reading on, the gap, the filter, the counts.

Between `EventLog` below and `Receiver` above, which adds the waiting. Not thread-safe: one reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from otel_stream import _guard
from otel_stream.broadcaster._log import EventLog
from otel_stream.broadcaster.errors import Lagged
from otel_stream.events import StreamEvent

Filter: TypeAlias = Callable[[StreamEvent], object]
"""Says by its truth whether a receiver wants the event; called where it is read, not where it is sent."""

WINDOW = 256  # events a filter looks at for each time the log is locked
EVERYTHING = 1 << 62


class Cursor:
    """`received` counts events handed out, `lagged` those known to be lost, whatever the filter."""

    __slots__ = ("_log", "_wanted", "lagged", "position", "received")

    def __init__(self, log: EventLog, filter: Filter | None) -> None:
        self._log = log
        self._wanted = None if filter is None else _guard.guarded("subscriber's filter")(filter)
        self.position = 0
        self.received = 0
        self.lagged = 0

    def unread(self) -> int:
        """Return how many events were sent and not read, those already overwritten included."""
        return max(0, self._log.end() - self.position)

    def lost(self) -> int:
        """Return `lagged` plus what was overwritten since the last read."""
        return self.lagged + max(0, self.unread() - self._log.capacity)

    def quick(self) -> StreamEvent | None:
        """Return the next event in the plain case, at half the cost; None: ask `take`."""
        if self._wanted is not None:
            return None
        event = self._log.peek(self.position)
        if event is not None:
            self.position += 1
            self.received += 1
        return event

    def take(self, limit: int, *, strict: bool) -> list[StreamEvent]:
        """Return up to `limit` wanted events; none when none is there at the time of the call.

        A gap moves the position to the oldest event kept. Raises: Lagged for it when `strict`.
        """
        window = limit if self._wanted is None else WINDOW
        begin, events, end = self._log.read(self.position, window)
        while True:
            self._skip_to(begin, strict=strict)
            used, kept = self._sift(events, limit)
            self.position = begin + used
            if kept or self.position >= end:
                self.received += len(kept)
                return kept
            begin, events, _ = self._log.read(self.position, window)

    def _skip_to(self, begin: int, *, strict: bool) -> None:
        missed = begin - self.position
        if missed > 0:
            self.lagged += missed
            self.position = begin
            if strict:
                raise Lagged(missed)

    def _sift(self, events: list[StreamEvent], limit: int) -> tuple[int, list[StreamEvent]]:
        """Return how many events were looked at, and those that are wanted, at most `limit`."""
        if self._wanted is None:
            return len(events), events
        kept: list[StreamEvent] = []
        for used, event in enumerate(events, 1):
            if self._wanted(event):
                kept.append(event)
                if len(kept) == limit:
                    return used, kept
        return len(events), kept
