"""Upstream streams that belong to no call: a queue's worker asks for requests it does not run under.

When such an answer goes out to a caller it is known by the provider's id of it. Then its call has found its
stream, and the answer is not told a second time from the server tap.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from otel_stream.call import CallContext
from otel_stream.events import Ended, Outcome, Started
from otel_stream.stream import Stream

MAX_ENDED = 1000  # a few hundred bytes each; an answer goes out within a moment of its last chunk


class _Ended(NamedTuple):
    """All that is kept of a stream that has ended."""

    outcome: Outcome
    streamed: bool
    spoke: bool


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
                ended = _Ended(event.outcome, stream.facts.streaming, stream.chunks > 0)
                self._remember(stream.response_id, ended)
        if call is not None:
            call.closed(stream, event.outcome)

    def claim(self, response_id: str, call: CallContext) -> bool:
        """Return whether a stream of nobody's has this id; from now on it is the call's alone."""
        with self._lock:
            ended = self._ended.pop(response_id, None)
            if ended is None:
                return self._claim_open(response_id, call)
        call.found(ended.outcome, streamed=ended.streamed, spoke=ended.spoke)
        return True

    def _claim_open(self, response_id: str, call: CallContext) -> bool:
        found = next((stream for stream in self._open.values() if stream.response_id == response_id), None)
        if found is None:
            return False
        del self._open[found.request_id]
        self._calls[found.request_id] = call
        call.opened(found)
        return True

    def _remember(self, response_id: str, ended: _Ended) -> None:
        if len(self._ended) >= MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[response_id] = ended
