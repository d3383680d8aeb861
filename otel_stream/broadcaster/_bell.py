"""Waking: readers of any event loop and any thread wait at a bell, whoever has news rings it.

Below the channel. A wait is always: arm, look again, sleep; so news that came in between is never missed.
Ringing costs one scheduled call per event loop however many of its tasks wait, and nothing when nobody does.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Protocol

_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

RECHECK_SECONDS = None if _GIL else 0.25
"""Without the GIL and on weakly ordered processors a look may come too early; None: no need to look again."""


class _Waiter(Protocol):
    def wake(self) -> None: ...


class Bell:
    """`armed` holds a waiter for each wait under way; when it is empty, there is nobody to ring for."""

    __slots__ = ("_hubs", "_lock", "armed")

    def __init__(self) -> None:
        self.armed: deque[_Waiter] = deque()
        self._lock = threading.Lock()
        self._hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Hub] = weakref.WeakKeyDictionary()

    def ring(self) -> None:
        """Wake everybody who waits. Never blocks, from any thread."""
        waiters: dict[_Waiter, None] = {}
        with contextlib.suppress(IndexError):  # another sender was faster
            # Not until it is empty: those already woken may arm again while we go on.
            for _ in range(len(self.armed)):
                waiters[self.armed.popleft()] = None
        for waiter in waiters:
            waiter.wake()

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Return when the bell rings, at once when `ready()`. May return without a reason: look again."""
        loop = asyncio.get_running_loop()
        hub = self._hub(loop)
        future: asyncio.Future[None] = loop.create_future()
        hub.parked[future] = None
        self.armed.append(hub)
        timer = loop.call_later(RECHECK_SECONDS, hub.fire) if RECHECK_SECONDS else None
        try:
            if not ready():
                await future
        finally:
            if timer:
                timer.cancel()
            if future in hub.parked:
                del hub.parked[future]
                self._disarm(hub)

    def wait_blocking(self, ready: Callable[[], bool], timeout: float | None) -> None:
        """Return when the bell rings, when `ready()`, or after `timeout` seconds (None: never)."""
        waiter = _Thread()
        self.armed.append(waiter)
        try:
            if not ready():
                limits = [limit for limit in (timeout, RECHECK_SECONDS) if limit is not None]
                waiter.sleep(min(limits, default=None))
        finally:
            self._disarm(waiter)

    def reset(self) -> None:
        """Forget all waiters, in a forked child: their loops and threads stayed with the parent."""
        self.armed.clear()
        self._lock = threading.Lock()
        self._hubs = weakref.WeakKeyDictionary()

    def _disarm(self, waiter: _Waiter) -> None:
        # Not there: it was rung for. Another wait's entry of the same hub taken: its ring is on the way.
        with contextlib.suppress(ValueError):
            self.armed.remove(waiter)

    def _hub(self, loop: asyncio.AbstractEventLoop) -> _Hub:
        hub = self._hubs.get(loop)
        if hub is None:
            with self._lock:
                self._forget_closed_loops()
                hub = self._hubs[loop] = _Hub(loop)
        return hub

    def _forget_closed_loops(self) -> None:
        """Drop the hubs of loops that were closed with tasks still waiting; a wait keeps its loop alive."""
        for loop, hub in list(self._hubs.items()):
            if loop.is_closed():
                hub.parked = {}
                self._hubs.pop(loop, None)


class _Hub:
    """The waits of one event loop. It must not keep the loop alive: loops come and go (`asyncio.run`)."""

    __slots__ = ("_context", "_loop", "parked")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        # Its own and empty: the sender's context, with its current span, must not leak into the loop.
        self._context = contextvars.Context()
        self.parked: dict[asyncio.Future[None], None] = {}

    def wake(self) -> None:
        loop = self._loop()
        if loop is None:
            return
        here = asyncio._get_running_loop() is loop  # noqa: SLF001 - documented for event loops, cheaper by 6
        schedule = loop.call_soon if here else loop.call_soon_threadsafe
        try:
            schedule(self.fire, context=self._context)
        except RuntimeError:  # the loop is closed, and who waited there is gone with it
            self.parked = {}

    def fire(self) -> None:
        parked, self.parked = self.parked, {}
        for future in parked:
            if not future.done():
                future.set_result(None)


class _Thread:
    """One wait of a thread: a lock that is taken from the start and given back to wake."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        self._lock.release()

    def sleep(self, timeout: float | None) -> None:
        self._lock.acquire(timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))
