"""Upstream streams that belong to no call: a queue's worker asks for requests it does not run under.

When such an answer goes out to a caller it is known by the provider's id of it. Then the call it goes out with
has found its stream, and the answer is not told a second time from the server tap.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from otel_stream.call import CallContext
from otel_stream.events import Ended, Outcome, Started
from otel_stream.stream import Stream

MAX_ENDED = 256  # 3 KiB each; an answer goes out within a moment of its last chunk


class _Ended(NamedTuple):
    stream: Stream
    outcome: Outcome


class Orphans:
    """A sink of the streams that belong to no call. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Stream] = {}
        self._ended: dict[str, _Ended] = {}
        self._calls: dict[str, CallContext] = {}

    def started(self, event: Started, stream: Stream) -> None:
        with self._lock:
            self._open[event.request_id] = stream

    def ended(self, event: Ended, stream: Stream) -> None:
        with self._lock:
            self._open.pop(event.request_id, None)
            call = self._calls.pop(event.request_id, None)
            if call is None and stream.response_id:
                self._remember(stream.response_id, _Ended(stream, event.outcome))
        if call is not None:
            call.closed(stream, event.outcome)

    def claim(self, response_id: str, call: CallContext) -> bool:
        """Return whether a stream of nobody's has this id; from now on it is the call's alone."""
        with self._lock:
            ended = self._ended.pop(response_id, None)
            found = self._with_id(response_id) if ended is None else ended.stream
            if found is None:
                return False
            self._open.pop(found.request_id, None)
            call.opened(found)
            if ended is None:
                self._calls[found.request_id] = call
        if ended is not None:
            call.closed(found, ended.outcome)
        return True

    def _with_id(self, response_id: str) -> Stream | None:
        return next((stream for stream in self._open.values() if stream.response_id == response_id), None)

    def _remember(self, response_id: str, ended: _Ended) -> None:
        if len(self._ended) >= MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[response_id] = ended
