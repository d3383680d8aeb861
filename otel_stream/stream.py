"""What is known of one stream: who, what, when, how much. The recorder fills it, the sinks read it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from otel_stream.events import CostSource, Ended, Source, Started, UsageSource
from otel_stream.identity import NOBODY, Trace, Who, Window, new_id
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.outcome import HTTP_ERROR
from otel_stream.pricing import UNPRICED, Price, PriceFunction
from otel_stream.transcript import Transcript

GAP_BOUNDS_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def _no_price(**_: object) -> Price:
    return UNPRICED


class Policy(msgspec.Struct, frozen=True):
    """The settings a stream is recorded by, and its clocks, so that tests bring their own."""

    estimate_usage: str = "bad_end"
    stall_seconds: float = 10.0
    text: bool = True
    """False keeps the text of all answers out of the events; lengths stay."""
    price: PriceFunction = _no_price
    clock: Callable[[], float] = time.perf_counter
    """Seconds, monotonic; for durations."""
    wall_clock: Callable[[], int] = time.time_ns
    """Nanoseconds since the epoch; for display."""


DEFAULT_POLICY = Policy()


class Stream:
    """The state of one stream. Read by sinks at its start and end, and by `snapshot()` in between."""

    __slots__ = (
        "__weakref__", "_finish_reasons", "_gaps", "_last_window", "_origin", "_policy",
        "_window_characters", "_window_end", "_window_start", "attributes", "billed",
        "cache_hit", "call_over", "characters", "chunks", "clock", "ended_at", "facts", "failure", "first_at",
        "hard", "hung_up", "last_chunk_at", "now", "price", "provider_request_id", "read_rest", "reported",
        "request_id", "response_id", "response_model", "soft", "source", "stalls", "started_at", "status",
        "trace", "transcript", "usage_source", "who", "windows", "with_text",
    )  # fmt: skip

    def __init__(
        self,
        facts: CallFacts,
        *,
        who: Who = NOBODY,
        source: Source = "upstream",
        policy: Policy = DEFAULT_POLICY,
        request_id: str | None = None,
        transcript: Transcript | None = None,
        started_at: float | None = None,
    ) -> None:
        """`started_at` is a reading of the policy's clock, for streams recognised after they began."""
        self.facts = facts
        self.who = who
        self.source: Source = source
        self.request_id = request_id or new_id("req")
        self.trace = Trace()
        self.transcript = transcript
        """None unless content capture or a test asks for the text."""
        self.with_text = policy.text and not who.private
        self._policy = policy
        self.clock = policy.clock
        self._start_clock(started_at)
        self._start_counts()
        self.response_id: str | None = None
        self.response_model: str | None = None
        self.provider_request_id: str | None = None
        self.status: int | None = None
        self.attributes: dict[str, object] = {}
        """Notes of the taps that stand in no event."""
        self.reported: Usage | None = None
        """What the provider reported; after the end of the stream what was billed, estimated or not."""
        self.usage_source: UsageSource = "none"
        self.failure: Failure | None = None
        self.price: Price = UNPRICED
        self.soft = False
        """A soft terminal was seen: some choice gave its finish reason."""
        self.hard = False
        """The hard terminal was seen: the answer is complete."""
        self.hung_up = False
        """The gateway's caller went away."""
        self.call_over = False
        """The call this stream was made for has got its whole answer."""
        self.read_rest: Callable[[], None] | None = None
        """Reads what the tap still holds back of what the gateway has read."""
        self.cache_hit = False
        self.billed = True
        """False keeps the stream out of the token and cost counters: its upstream calls are counted."""

    def _start_clock(self, started_at: float | None) -> None:
        now = self.clock()
        self.started_at = now if started_at is None else started_at
        self._origin = self._policy.wall_clock() - int(now * 1e9)
        self.now = self.last_chunk_at = self.started_at
        self.first_at: float | None = None
        self.ended_at: float | None = None

    def _start_counts(self) -> None:
        self.chunks = 0
        """Output chunks: pieces of answer, reasoning, refusal or tool call."""
        self.characters = 0
        self.stalls = 0
        self.windows: list[Window] = []
        self._gaps = [0] * (len(GAP_BOUNDS_SECONDS) + 1)
        self._finish_reasons: dict[int, str] = {}
        self._window_end = 1
        self._window_start = self.unix_nano(self.started_at)
        self._window_characters = 0
        self._last_window = 0

    @property
    def is_complete(self) -> bool:
        """A terminal was seen and no error: whatever ends the transport now, the answer is whole."""
        return (self.hard or self.soft) and not self.failed

    @property
    def is_settled(self) -> bool:
        """Nothing can come any more that changes the outcome or the usage.

        After a finish reason usage may still come, unless the gateway has no use for it any more.
        """
        return self.hard or self.failure is not None or (self.soft and self.call_over)

    @property
    def failed(self) -> bool:
        return self.failure is not None or (self.status or 0) >= HTTP_ERROR

    @property
    def cost_usd(self) -> float | None:
        return None if self.price.usd is None else float(self.price.usd)

    @property
    def cost_source(self) -> CostSource:
        return self.price.source

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """The provider's words, in choice order."""
        return tuple(self._finish_reasons[index] for index in sorted(self._finish_reasons))

    @property
    def duration_s(self) -> float:
        """Seconds from the request to the end, or to now while the stream is open."""
        return max(0.0, (self.clock() if self.ended_at is None else self.ended_at) - self.started_at)

    @property
    def time_to_first_token_s(self) -> float | None:
        """Seconds from the request to the first content-bearing chunk, reasoning and tool calls included."""
        return None if self.first_at is None else max(0.0, self.first_at - self.started_at)

    @property
    def idle_s(self) -> float:
        """Seconds since anything arrived."""
        return max(0.0, self.clock() - self.now)

    @property
    def gaps(self) -> tuple[Sequence[int], float]:
        """(number of gaps between output chunks in each bucket of GAP_BOUNDS_SECONDS, their sum in s)."""
        return self._gaps, 0.0 if self.first_at is None else self.last_chunk_at - self.first_at

    @property
    def sequence(self) -> int:
        """The number of the last event so far: `Started` is 0, the deltas count from 1."""
        return self.chunks

    def unix_nano(self, at: float) -> int:
        """Return a reading of the clock as nanoseconds since the epoch."""
        return self._origin + int(at * 1e9)


class Sink(Protocol):
    """Gets the first and the last event of a stream, each once. Deltas go through the broadcaster."""

    def started(self, event: Started, stream: Stream) -> None: ...

    def ended(self, event: Ended, stream: Stream) -> None: ...
