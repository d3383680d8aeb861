"""What a broadcaster and its receivers share: the log, the bells, who listens, and whether it is over.

It keeps neither side alive: when the broadcaster goes, receivers see the end; when a receiver goes, it is
forgotten. Between `EventLog` and `Bell` below, `Receiver` and `StreamEventBroadcaster` above.
"""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from otel_stream.broadcaster._bell import Bell
from otel_stream.broadcaster._log import EventLog

MAX_NAMES = 100  # names whose losses are kept apart after their receiver has gone; further ones share OTHER
OTHER = "other"


class Member(Protocol):
    """A receiver as the channel sees it."""

    name: str

    def lost(self) -> int: ...

    def attach(self, position: int) -> None: ...

    def detach(self) -> None: ...


class Channel:
    """`on_change()` is called under the log's lock when members have come or gone."""

    __slots__ = ("__weakref__", "_members", "_retired", "closed", "log", "news", "on_change", "vacant")

    def __init__(self, capacity: int, on_change: Callable[[], None]) -> None:
        self.log = EventLog(capacity)
        self.news = Bell()
        self.vacant = Bell()
        self.closed = False
        self.on_change = on_change
        self._members: dict[int, weakref.ref[Member]] = {}
        self._retired: Counter[str] = Counter()
        _channels.add(self)

    def join(self, member: Member, since: int | None) -> None:
        """Count the member in; it is owed what is sent from now on, or from the position `since`."""
        with self.log.lock:
            dead = [] if self._members else self.log.clear()
            end = self.log.end()
            # Before it is counted: metrics may look at any time.
            member.attach(end if since is None else min(since, end))
            self._members[id(member)] = weakref.ref(member)
            self.on_change()
        del dead

    def leave(self, member: Member) -> None:
        """Count the member out; with the last one goes what it was owed. Only the first call counts."""
        with self.log.lock:
            if self._members.pop(id(member), None) is None:
                return
            self._retire(member)
            vacant = not self._members
            self.on_change()
            dead = self.log.clear() if vacant else []
        del dead
        if vacant:
            self.vacant.ring()

    def close(self) -> None:
        """Let the members read what is left and then see the end."""
        self.closed = True
        self.news.ring()

    def count(self) -> int:
        return len(self._members)

    def members(self) -> list[Member]:
        with self.log.lock:
            # Copied first: taking a reference may run a finalizer that drops a member.
            return [member for ref in list(self._members.values()) if (member := ref()) is not None]

    def lost(self) -> Counter[str]:
        """Return how many events each name has lost to overwriting, of those gone as well."""
        with self.log.lock:
            lost = self._retired.copy()
            for member in self.members():
                lost[member.name] += member.lost()
        return lost

    def reset(self) -> None:
        """Start anew in a forked child: the members stayed with the parent, here they see the end."""
        self.log.reset()
        self.news.reset()
        self.vacant.reset()
        for member in self.members():
            member.detach()
        self._members = {}
        self.on_change()

    def _retire(self, member: Member) -> None:
        name = member.name
        if name not in self._retired and len(self._retired) >= MAX_NAMES:
            name = OTHER
        self._retired[name] += member.lost()


_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


def _reset_all() -> None:
    for channel in list(_channels):
        channel.reset()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    os.register_at_fork(after_in_child=_reset_all)
