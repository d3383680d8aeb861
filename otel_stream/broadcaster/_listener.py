"""A lossless listener: a function of somebody else's, called inside `send`, that must not hurt the sender.

Below the broadcaster. The first failure is logged, further ones only counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeAlias

from otel_stream import _guard
from otel_stream.events import StreamEvent

Listen: TypeAlias = Callable[[StreamEvent], object]

MAX_FAILURES = 100
"""Failures in a row after which a listener is removed: by then it is broken, not unlucky."""

STAGE = "listener"


class Listener:
    """One registration; `deltas` says whether it is told of `TextDelta` too."""

    __slots__ = ("_call", "_failures", "_function", "deltas")

    def __init__(self, function: Listen, *, deltas: bool) -> None:
        self.deltas = deltas
        self._function = function
        self._call: Callable[[StreamEvent], bool | None] = _guard.guarded(STAGE)(self._told)
        self._failures = 0

    def tell(self, event: StreamEvent) -> bool:
        """Return whether it is worth keeping. Never raises what the function raised."""
        if self._call(event):
            return True
        self._call = self._quietly
        self._failures += 1
        if self._failures < MAX_FAILURES:
            return True
        _guard.logger.warning("%r failed %d times in a row and is told no more", self._function, MAX_FAILURES)
        return False

    def _told(self, event: StreamEvent) -> bool:
        self._function(event)
        self._failures = 0
        return True

    def _quietly(self, event: StreamEvent) -> bool:
        with contextlib.suppress(Exception):
            return self._told(event)
        _guard.skipped(STAGE)
        return False
