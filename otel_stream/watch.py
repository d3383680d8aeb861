"""A thread that looks over the streams in flight about once a second, and sleeps while there are none."""

from __future__ import annotations

import threading
from collections.abc import Callable

SECONDS = 1.0


class Watch:
    """Calls `look` every second from the first `wake` on. A daemon thread: it never keeps a process alive."""

    def __init__(self, look: Callable[[], object], seconds: float = SECONDS) -> None:
        self._look = look
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Begin anew: a forked child has none of its parent's threads."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def wake(self) -> None:
        """Make sure the thread runs. Cheap: once it does, this is one comparison."""
        if self._thread is None and self._starting.acquire(blocking=False):
            thread = threading.Thread(target=self._run, name="otel-stream-watch", daemon=True)
            thread.start()
            self._thread = thread  # only now: `stop` joins what it finds here

    def stop(self) -> None:
        """Stop looking; returns when the thread is through."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._look()
