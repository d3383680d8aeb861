"""A lossless listener: a function of somebody else's, called inside `send`, that must not hurt the sender.

Below the broadcaster. The first failure is logged, further ones are only counted.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import TypeAlias

from otel_stream import _guard
from otel_stream.events import StreamEvent

Listen: TypeAlias = Callable[[StreamEvent], object]

MAX_FAILURES = 100
"""Failures in a row after which a listener is removed: by then it is broken, not unlucky."""

STAGE = "listener"


class Listener:
    """One registration; `deltas` says whether it is told of `TextDelta` too.

    Raises: TypeError for what cannot be called, or would have to be awaited.
    """

    __slots__ = ("_call", "_failures", "_function", "deltas")

    def __init__(self, function: Listen, *, deltas: bool) -> None:
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"a listener must be a plain function of one event; got {function!r}")
        self.deltas = deltas
        self._function = function
        self._failures = 0
        self._call = _guard.guarded(STAGE)(_telling(function))

    def tell(self, event: StreamEvent) -> bool:
        """Return whether it is worth keeping. What the function raises stays here."""
        if self._call(event):
            self._failures = 0
            return True
        self._call = _quietly(self._function)
        self._failures += 1
        if self._failures < MAX_FAILURES:
            return True
        _guard.logger.warning("%r failed %d times in a row and is told no more", self._function, MAX_FAILURES)
        return False


def _telling(function: Listen) -> Callable[[StreamEvent], bool | None]:
    def told(event: StreamEvent) -> bool:
        function(event)
        return True

    return told


def _quietly(function: Listen) -> Callable[[StreamEvent], bool | None]:
    """Return what `_telling` does for a function whose failures have been logged already."""

    def told(event: StreamEvent) -> bool:
        with contextlib.suppress(Exception):
            function(event)
            return True
        _guard.skipped(STAGE)
        return False

    return told
