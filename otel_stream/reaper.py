"""Ends the streams that the garbage collector found: never closed, nobody holds them any more.

A finalizer runs wherever memory is allocated, maybe under a lock that ending a stream needs as well. So it
only puts the stream into a queue made for that, and a thread of ours ends it.
https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from queue import SimpleQueue
from typing import Protocol

from otel_stream import _guard
from otel_stream.outcome import Ending


class Endable(Protocol):
    """A tap or a recorder: only the first call of `end` counts."""

    def end(self, ending: Ending, error: BaseException | None = None) -> None: ...


class Reaper:
    """One per process. Its thread starts with the first stream, and again in a forked child."""

    def __init__(self) -> None:
        self._dropped: SimpleQueue[tuple[Endable, Ending] | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._collecting: int | None = None

    def ready(self) -> None:
        """Make sure that the thread runs. Called where a stream begins, since a finalizer must start none."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otel-stream-reaper", daemon=True)
            self._thread.start()
            gc.callbacks.append(self._on_collection)

    def drop(self, stream: Endable, ending: Ending = "abandoned") -> None:
        """Have `stream` ended, soon. For finalizers: takes no lock and never raises."""
        self._dropped.put((stream, ending))

    def end(self, stream: Endable, ending: Ending, error: BaseException | None = None) -> None:
        """End `stream`: now, or soon where the garbage collector closes somebody's generator."""
        if self._collecting == threading.get_ident():
            self.drop(stream, ending)
        else:
            stream.end(ending, error)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything dropped so far is ended; False when that took longer than `timeout` s."""
        self.ready()
        done = threading.Event()
        self._dropped.put(done)
        return done.wait(timeout)

    def forget_thread(self) -> None:
        """In a forked child: the parent's thread is not here, what it had still to do is the parent's."""
        self._dropped = SimpleQueue()
        self._thread = None
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        self._collecting = threading.get_ident() if phase == "start" else None

    def _run(self) -> None:
        dropped = self._dropped
        while True:
            item = dropped.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                with _guard.guard("reaper"):
                    item[0].end(item[1])
            del item


REAPER = Reaper()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=REAPER.forget_thread)
