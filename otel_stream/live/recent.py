"""What a late joiner is told beside the streams in flight: those that ended lately. A lossless listener.

It also remembers how the streams in flight began, since a delta does not say whose model it is.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque

from otel_stream.events import Started, StreamEvent, TextDelta
from otel_stream.live.frames import Finished

KEPT = 200  # streams that ended, about 1 KB each
MAX_OPEN = 10_000  # beginnings remembered; as many as the processor keeps in flight


class Recent:
    """Hears of every start and end. Any thread may call."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = threading.RLock()  # a finalizer may end a stream while we hold it
        self._numbers = itertools.count()
        self._ended: deque[tuple[int, Finished]] = deque(maxlen=kept)
        self._open: dict[str, Started] = {}

    def on_event(self, event: StreamEvent) -> None:
        """Take an event; for `add_listener`."""
        if isinstance(event, TextDelta):
            return
        with self._lock:
            if isinstance(event, Started):
                self._open[event.request_id] = event
                if len(self._open) > MAX_OPEN:
                    del self._open[next(iter(self._open))]
            else:
                finished = Finished(event, self._open.pop(event.request_id, None))
                self._ended.append((next(self._numbers), finished))

    def started(self, request_id: str) -> Started | None:
        """Return how a stream in flight began; None when it is not known."""
        return self._open.get(request_id)

    def since(self, number: int) -> tuple[list[Finished], int]:
        """Return the streams that ended from `number` on, and the number to ask for next time."""
        with self._lock:
            found = [(at, finished) for at, finished in self._ended if at >= number]
        return [finished for _, finished in found], found[-1][0] + 1 if found else number

    def restart(self) -> None:
        """Begin anew in a forked child: what its parent saw is the parent's, and so is who holds the lock."""
        self.__init__(self._ended.maxlen or KEPT)  # type: ignore[misc]
