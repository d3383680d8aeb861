"""The recorder: one stream from its request to its outcome.

It sits between the wire formats, which tell it what frames mean, and the sinks, which get events.
It takes the time, counts, and decides how the stream ended; no text is kept, so an open stream costs
the same after ten chunks and after a hundred thousand.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from typing import Any

import msgspec

from otel_stream import _guard
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import Channel, Outcome, Started, TextDelta
from otel_stream.identity import NOBODY, Trace, Who, Window
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.outcome import Ending, ending_of, outcome_of
from otel_stream.pricing import Price
from otel_stream.settlement import last_event, settle_usage
from otel_stream.stream import GAP_BOUNDS_SECONDS, Policy, Sink, Stream
from otel_stream.transcript import whole_characters

__all__ = [
    "GAP_BOUNDS_SECONDS", "NOBODY", "Ending", "Policy", "Recorder", "Sink", "Trace", "Who", "Window",
    "ending_of",
]  # fmt: skip

MAX_CHOICES = 128  # OpenAI's limit of `n`; finish reasons beyond it are not kept
MAX_TEXT = 256  # characters of ids, models and reasons that are kept from the wire


class Recorder(Stream):
    """One stream in the making. Methods of `Meaning` are called by its format; `end` by its watcher.

    Its callers are guarded, so none of it reaches the host. Not thread-safe but for `end`, of which only
    the first call counts, from any thread.
    """

    __slots__ = ("_once", "_sinks", "_stall_seconds", "body_over", "broadcaster", "is_open")

    def __init__(
        self,
        facts: CallFacts,
        *,
        broadcaster: StreamEventBroadcaster,
        sinks: Sequence[Sink] = (),
        **known: Any,
    ) -> None:
        """`known` are the keyword arguments of `Stream`."""
        super().__init__(facts, **known)
        self.broadcaster = broadcaster
        self.is_open = True
        self.body_over = False
        """What is still read was left open when the body ended, often in the middle of a frame."""
        self._stall_seconds = self._policy.stall_seconds
        self._sinks = tuple(sinks)
        self._once = threading.Lock()  # taken by the first end and never released

    # -- the beginning ---------------------------------------------------------------------------

    def start(self) -> None:
        """Emit `Started`. Called once, after `trace` is set."""
        event = Started(
            self.request_id,
            self.facts.model,
            agent_type=self.who.agent_type,
            provider=self.facts.provider,
            operation=self.facts.operation,
            server_address=self.facts.server_address,
            call_id=self.who.call_id,
            tenant=self.who.tenant,
            session_id=self.who.session_id,
            source=self.source,
            time_unix_nano=self.unix_nano(self.started_at),
            sequence=0,
            trace_id=self.trace.trace_id,
            span_id=self.trace.span_id,
        )
        for sink in self._sinks:
            with _guard.guard("sink"):
                sink.started(event, self)

    def tick(self) -> None:
        """Take the time of a read; what the read means is recorded as of now."""
        self.now = self.clock()

    # -- what frames mean (the hot path) -----------------------------------------------------------

    def head(self, response_id: str | None = None, model: str | None = None) -> None:
        if response_id and self.response_id is None:
            self.response_id = response_id[:MAX_TEXT]
        if model and self.response_model is None:
            self.response_model = model[:MAX_TEXT]

    def answered_by(self, model: str) -> None:
        self.response_model = model[:MAX_TEXT]

    def delta(self, text: str, channel: Channel = "output", index: int = 0) -> None:
        """Written out in one piece: this runs once per token of every stream."""
        if not self.is_open:
            return
        now = self.now
        if self.chunks:
            gap = now - self.last_chunk_at
            self._gaps[bisect_left(GAP_BOUNDS_SECONDS, gap)] += 1
            if gap > self._stall_seconds:
                self.stalls += 1
        else:
            self.first_at = now
        self.last_chunk_at = now
        self.chunks += 1
        self.characters += len(text)
        if self.transcript is not None and channel != "tool_call":
            self.transcript.add(text, channel, index)
        if self.chunks == self._window_end:
            self._close_window()
        if self.broadcaster.active:
            self._publish(text, channel, index)

    def tool_call(
        self,
        key: Hashable,
        *,
        id: str | None = None,
        name: str | None = None,
        arguments: object = "",
        index: int = 0,
    ) -> None:
        if self.transcript is not None:
            self.transcript.add_tool(key, id, name, arguments, index)
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        if text or name:
            self.delta(text, "tool_call", index)

    def _publish(self, text: str, channel: Channel, index: int) -> None:
        self.broadcaster.send(
            TextDelta(
                self.request_id,
                whole_characters(text) if self.with_text else "",
                channel,
                index,
                len(text),
                self.unix_nano(self.now),
                self.chunks,
                self.trace.trace_id,
                self.trace.span_id,
            )
        )

    def finish(self, reason: str | None, index: int = 0) -> None:
        self.soft = True
        if reason and len(self._finish_reasons) < MAX_CHOICES:
            self._finish_reasons[index] = reason[:MAX_TEXT]

    def done(self) -> None:
        self.hard = True

    def usage(self, usage: Usage) -> None:
        self.reported = usage

    def error(self, failure: Failure) -> None:
        if self.failure is None:
            self.failure = failure

    def skip(self, kind: str) -> None:  # noqa: ARG002 - counted by format: kinds are the wire's own words
        if not self.body_over:
            _guard.skipped(f"wire.{self.facts.format}")

    def _close_window(self) -> None:
        """End a window of deltas; windows double, so that any answer needs fewer than 64 of them."""
        chunks = self.chunks - self._last_window
        if not chunks:
            return
        end = self.unix_nano(self.last_chunk_at)
        self.windows.append(
            Window(
                self._window_start,
                end,
                chunks,
                self.characters - self._window_characters,
                self.transcript.cut() if self.transcript is not None else None,
            )
        )
        self._window_end = max(2, self.chunks * 2)
        self._last_window = self.chunks
        self._window_characters = self.characters
        self._window_start = end

    # -- the end -----------------------------------------------------------------------------------

    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        """Decide the outcome and emit the last event. Only the first call counts.

        A finished or dropped stream ended with its last read, however late somebody noticed.
        """
        if not self._once.acquire(blocking=False):
            return
        self.is_open = False
        self.read_rest = None
        outcome = outcome_of(
            failed=self.failed, terminal=self.hard or self.soft, ending=ending, hung_up=self.hung_up
        )
        last_read = self.now
        self.tick()
        late = ending != "eof" and (outcome == "completed" or ending == "abandoned")
        self.ended_at = last_read if late else self.now
        self._close_window()
        with _guard.guard("pricing"):
            self._account(outcome)
        event = last_event(self, outcome, error)
        for sink in self._sinks:
            with _guard.guard("sink"):
                sink.ended(event, self)

    def _account(self, outcome: Outcome) -> None:
        self.reported, self.usage_source = settle_usage(self, outcome, self._policy.estimate_usage)
        if self.cache_hit:
            self.price = Price(None, "cache")
        elif self.reported is not None:
            self.price = self._policy.price(
                provider=self.facts.provider,
                model=self.response_model or self.facts.model,
                request_model=self.facts.model,
                usage=self.reported,
            )
