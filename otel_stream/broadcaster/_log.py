"""The append log: one bounded list of events that everybody appends to and each reader has a position in.

Below the channel; knows nothing of readers. `events.append` needs no lock (the interpreter makes it atomic),
everything else holds `lock` for a moment. The semantics are those of tokio's broadcast ring.
https://docs.rs/tokio/latest/tokio/sync/broadcast/
"""

from __future__ import annotations

import threading

from otel_stream.events import StreamEvent

MIN_SLACK = 64  # events kept beyond the capacity, so that dropping the dead is paid for by many sends


class EventLog:
    """Events by position: the n-th ever appended has position n, from 0. `capacity` is in events.

    At most `limit` + 1 are held when nobody reads, yet a reader sees only the newest `capacity`.
    The lock is re-entrant because a finalizer may send, subscribe or drop a receiver while we hold it.
    """

    __slots__ = ("_base", "_pinned", "capacity", "events", "limit", "lock")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.limit = capacity + max(MIN_SLACK, capacity)
        self.events: list[StreamEvent] = []
        self.lock = threading.RLock()
        self._base = 0
        self._pinned = False

    def end(self) -> int:
        """Return the position the next event gets, which is how many were ever appended."""
        with self.lock:
            return self._base + len(self.events)

    def peek(self, position: int) -> StreamEvent | None:
        """Return the event at `position`; None when it is not there yet, or no more."""
        with self.lock:
            first = position - self._base
            if first >= 0 and 0 < len(self.events) - first <= self.capacity:
                return self.events[first]
        return None

    def read(self, position: int, limit: int) -> tuple[int, list[StreamEvent], int]:
        """Return where reading from `position` begins now, up to `limit` events from there, and the end.

        The beginning is later than `position` when the events in between were overwritten.
        """
        with self.lock:
            end = self._base + len(self.events)
            begin = max(position, self._base, end - self.capacity)
            first = begin - self._base
            pinned, self._pinned = self._pinned, True
            try:
                return begin, self.events[first : first + limit], end
            finally:
                self._pinned = pinned

    def trim(self) -> None:
        """Drop what is overwritten. Never waits: while somebody reads, it is left to the next send."""
        if not self.lock.acquire(blocking=False):
            return
        try:
            dead = self._cut(len(self.events) - self.capacity)
        finally:
            self.lock.release()
        del dead  # only now, outside the lock: their finalizers may send

    def clear(self) -> list[StreamEvent]:
        """Drop everything and return it, to be let go outside the lock; positions go on counting."""
        with self.lock:
            return self._cut(len(self.events))

    def reset(self) -> None:
        """Start anew in a forked child, where the lock may be held by a thread that does not exist."""
        self.lock = threading.RLock()
        self._pinned = False
        self.clear()

    def _cut(self, count: int) -> list[StreamEvent]:
        """Take the oldest `count` off; nothing while a slice is being taken further up this very stack."""
        if self._pinned or count <= 0:
            return []
        self._pinned = True
        try:
            dead = self.events[:count]
            del self.events[:count]
            self._base += count
        finally:
            self._pinned = False
        return dead
