"""Our own health as metrics: what the broadcaster dropped and what went wrong inside us.

Those counts live elsewhere and are carried over before each scrape, and at each tick of the runtime's timer:
in multi-process mode it may be another process that answers the scrape.
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from otel_stream import _guard
from otel_stream.metrics.instruments import Instruments

LAGGED = "lagged"  # the one reason so far: the subscriber fell further behind than the capacity


class Subscriber(Protocol):
    """A receiver as it describes itself; `backlog` is events sent and not read, lost ones included."""

    @property
    def name(self) -> str: ...

    @property
    def backlog(self) -> int: ...


class Broadcaster(Protocol):
    """What is asked of a StreamEventBroadcaster."""

    @property
    def capacity(self) -> int: ...

    @property
    def published(self) -> int: ...

    def lost(self) -> Mapping[str, int]: ...

    def receivers(self) -> Sequence[Subscriber]: ...


class OwnMetrics:
    """Carries counts over into the instruments. Any thread may call `refresh`."""

    def __init__(self, to: Instruments, broadcaster: Broadcaster | None) -> None:
        self._to = to
        self._broadcaster = broadcaster
        self._lock = threading.Lock()
        self._carried: dict[tuple[str, ...], int] = {}
        self._queues: set[str] = set()
        to.before_scrape.append(self.refresh)

    @_guard.guarded("metrics.own")
    def refresh(self) -> None:
        """Bring the instruments up to date. Never raises."""
        with self._lock:
            for stage, count in self._named("stage", _guard.counts()).items():
                _advance(self._to.instrumentation_errors, (stage,), count, self._to.carried)
            if self._broadcaster is not None:
                self._ask(self._broadcaster)

    def close(self) -> None:
        """Carry over what there is, then let go of the broadcaster. Twice is a no-op."""
        if self.refresh not in self._to.before_scrape:
            return
        self._to.before_scrape.remove(self.refresh)
        self.refresh()
        with self._lock:
            self._broadcaster = None
            self._to.subscribers[()].set(0)
            self._show_queues({})

    def _ask(self, broadcaster: Broadcaster) -> None:
        to = self._to
        _advance(to.events_published, (), broadcaster.published, self._carried)
        for name, count in self._named("subscriber", broadcaster.lost()).items():
            _advance(to.events_dropped, (name, LAGGED), count, self._carried)
        subscribers = broadcaster.receivers()
        to.subscribers[()].set(len(subscribers))
        backlogs: Tally[str] = Tally()
        for subscriber in subscribers:
            to.events_dropped[to.values.admit("subscriber", subscriber.name), LAGGED]  # 0 from the beginning
            backlogs[subscriber.name] += min(subscriber.backlog, broadcaster.capacity)
        self._show_queues(self._named("subscriber", backlogs))

    def _named(self, label: str, counts: Mapping[str, int]) -> Mapping[str, int]:
        """Return the counts by label value; those without room of their own are added up."""
        named: Tally[str] = Tally()
        for name, count in counts.items():
            named[self._to.values.admit(label, name)] += count
        return named

    def _show_queues(self, queues: Mapping[str, int]) -> None:
        for gone in self._queues - queues.keys():
            self._to.subscriber_queue[(gone,)].set(0)
        for name, events in queues.items():
            self._to.subscriber_queue[(name,)].set(events)
        self._queues = set(queues)


def _advance(counters: Any, values: tuple[str, ...], count: int, carried: dict[tuple[str, ...], int]) -> None:
    """Raise a counter by what its source has gained since last time; a source that fell began anew."""
    before = carried.get(values, 0)
    counters[values].inc(count - before if count >= before else count)
    carried[values] = count
