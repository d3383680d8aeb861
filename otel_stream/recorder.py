"""The recorder: one stream from its request to its outcome.

It sits between the wire formats, which tell it what frames mean, and the sinks, which get events.
It takes the time, counts, and decides how the stream ended; no text is kept, so an open stream costs
the same after ten chunks and after a hundred thousand.
"""

from __future__ import annotations

import math
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from otel_stream import _guard
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import (
    Channel,
    Completed,
    CostSource,
    Ended,
    Error,
    Outcome,
    Source,
    Started,
    TextDelta,
    UsageSource,
)
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.pricing import UNPRICED, Price, PriceFunction
from otel_stream.transcript import Transcript, whole_characters

Ending: TypeAlias = Literal["eof", "closed", "cancelled", "failed", "timeout", "abandoned"]
"""What the transport or the caller did: body ended, closed early, task cancelled, an exception, never closed."""

GAP_BOUNDS_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CHARACTERS_PER_TOKEN = 4  # the providers' own rule of thumb for English; estimates are marked as such
MAX_CHOICES = 128  # OpenAI's limit of `n`; finish reasons beyond it are not kept
MAX_TEXT = 256  # characters of ids, models and reasons that are kept from the wire
MAX_MESSAGE = 1024  # characters kept of an error message

_OUTCOME_WITHOUT_TERMINAL: dict[Ending, Outcome] = {
    "eof": "incomplete",
    "closed": "cancelled",
    "cancelled": "cancelled",
    "failed": "error",
    "timeout": "timeout",
    "abandoned": "abandoned",
}
_MESSAGES: dict[Outcome, str] = {
    "incomplete": "the body ended without the API's end signal",
    "cancelled": "closed by the caller before the answer was complete",
    "abandoned": "never closed: the stream was dropped or fell silent",
    "timeout": "timed out",
    "error": "failed",
}


class Who(msgspec.Struct, frozen=True):
    """Who is asking, from the call context; None where nobody said."""

    agent_type: str | None = None
    tenant: str | None = None
    session_id: str | None = None
    call_id: str | None = None
    private: bool = False
    """The text of this stream stays out of every event."""


NOBODY = Who()


class Trace(NamedTuple):
    """Identity of the stream's span: lower-case hex, None without a span."""

    trace_id: str | None = None
    span_id: str | None = None
    sampled: bool = False


class Window(NamedTuple):
    """A run of deltas that goes onto the span as one event; times in ns since the epoch."""

    start_unix_nano: int
    end_unix_nano: int
    chunks: int
    characters: int
    text: str | None


class Sink(Protocol):
    """Gets the first and the last event of a stream, each once. Deltas go through the broadcaster."""

    def started(self, event: Started, stream: Recorder) -> None: ...

    def ended(self, event: Ended, stream: Recorder) -> None: ...


class Policy(msgspec.Struct, frozen=True):
    """The settings a recorder works by, and its clocks, so that tests bring their own."""

    estimate_usage: str = "bad_end"
    stall_seconds: float = 10.0
    text: bool = True
    price: PriceFunction = lambda **_: UNPRICED
    clock: Callable[[], float] = time.perf_counter
    wall_clock: Callable[[], int] = time.time_ns


def ending_of(error: BaseException) -> Ending:
    """Return what an exception says about the end; by name, since the client libraries are never imported."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"CancelledError", "Cancelled", "KeyboardInterrupt"}:
        return "cancelled"
    if "GeneratorExit" in names:
        return "closed"
    if names & {"TimeoutException", "TimeoutError", "ReadTimeoutError", "ServerTimeoutError"}:
        return "timeout"
    return "failed"


class Recorder:
    """One stream. Methods of `Meaning` are called by its format; `end` by whoever watches the transport.

    Never raises towards the host: its callers are guarded. Not thread-safe per stream but for `end`,
    of which only the first call counts, from any thread.
    """

    __slots__ = (
        "__weakref__", "_chunk_index", "_ended", "_finish_reasons", "_gaps", "_last_window",
        "_origin", "_policy", "_published", "_sequence", "_sinks", "_window_characters",
        "_window_end", "_window_start", "attributes", "billed", "broadcaster", "cache_hit", "characters", "chunks",
        "ended_at", "failure", "facts", "first_at", "hard", "hung_up", "last_chunk_at", "now", "price", "provider_request_id",
        "reported", "request_id", "response_id", "response_model", "soft", "source", "stalls", "started_at",
        "status", "trace", "transcript", "usage_source", "who", "windows", "with_text",
    )  # fmt: skip

    def __init__(
        self,
        facts: CallFacts,
        *,
        broadcaster: StreamEventBroadcaster,
        sinks: Sequence[Sink] = (),
        who: Who = NOBODY,
        source: Source = "upstream",
        policy: Policy = Policy(),
        request_id: str | None = None,
        transcript: Transcript | None = None,
        started_at: float | None = None,
    ) -> None:
        """`started_at` is a reading of the policy's clock, for streams recognised after they began."""
        self.facts = facts
        self.who = who
        self.source = source
        self.request_id = request_id or f"req_{uuid.uuid4().hex[:16]}"
        self.broadcaster = broadcaster
        self.transcript = transcript
        self.trace = Trace()
        self._sinks = tuple(sinks)
        self._policy = policy
        self.with_text = policy.text and not who.private
        now = policy.clock()
        self.started_at = now if started_at is None else started_at
        self._origin = policy.wall_clock() - int(now * 1e9)
        self.now = self.started_at
        self.first_at: float | None = None
        self.last_chunk_at = self.started_at
        self.ended_at: float | None = None
        self._sequence = 0
        self._ended = False
        self.chunks = 0
        self.characters = 0
        self.stalls = 0
        self._gaps = [0] * (len(GAP_BOUNDS_SECONDS) + 1)
        self._window_end = 1
        self._window_start = self.started_at
        self._window_characters = 0
        self._last_window = 0
        self.windows: list[Window] = []
        self.response_id: str | None = None
        self.response_model: str | None = None
        self.provider_request_id: str | None = None
        self.status: int | None = None
        self.attributes: dict[str, object] = {}
        self._finish_reasons: dict[int, str] = {}
        self.reported: Usage | None = None
        self.usage_source: UsageSource = "none"
        self.failure: Failure | None = None
        self.price: Price = UNPRICED
        self.soft = False
        self.hard = False
        self.hung_up = False
        self.cache_hit = False
        self.billed = True

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
        self.now = self._policy.clock()

    # -- what frames mean (the hot path) -----------------------------------------------------------

    def head(self, response_id: str | None = None, model: str | None = None) -> None:
        if response_id and self.response_id is None:
            self.response_id = response_id[:MAX_TEXT]
        if model and self.response_model is None:
            self.response_model = model[:MAX_TEXT]

    def delta(self, text: str, channel: Channel = "output", index: int = 0) -> None:
        if self._ended:
            return
        self._count(len(text))
        if self.transcript is not None and channel != "tool_call":
            self.transcript.add(text, channel, index)
        if self.chunks >= self._window_end:
            self._close_window()
        self._sequence += 1
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

    def _count(self, characters: int) -> None:
        now = self.now
        if self.first_at is None:
            self.first_at = now
        else:
            gap = now - self.last_chunk_at
            self._gaps[bisect_left(GAP_BOUNDS_SECONDS, gap)] += 1
            if gap > self._policy.stall_seconds:
                self.stalls += 1
        self.last_chunk_at = now
        self.chunks += 1
        self.characters += characters

    def _publish(self, text: str, channel: Channel, index: int) -> None:
        self.broadcaster.send(
            TextDelta(
                self.request_id,
                whole_characters(text) if self.with_text else "",
                channel,
                index,
                len(text),
                self.unix_nano(self.now),
                self._sequence,
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

    def skip(self, kind: str) -> None:
        _guard.skipped(f"wire.{self.facts.format}")

    # -- the end -------------------------------------------------------------------------------------

    def end(self, ending: Ending, error: BaseException | None = None) -> None:
        """Decide the outcome and emit the last event. Only the first call counts.

        A finished or dropped stream ended with its last read, however late somebody noticed.
        """
        if self._ended:
            return
        self._ended = True
        outcome = self.outcome_of(ending)
        last_read = self.now
        self.tick()
        late = ending != "eof" and (outcome == "completed" or ending == "abandoned")
        self.ended_at = last_read if late else self.now
        self._close_window()
        with _guard.guard("pricing"):
            self._account(outcome)
        event = self._last_event(outcome, error)
        for sink in self._sinks:
            with _guard.guard("sink"):
                sink.ended(event, self)

    @property
    def is_open(self) -> bool:
        return not self._ended

    @property
    def is_complete(self) -> bool:
        """A terminal was seen and no error: whatever ends the transport now, the answer is whole."""
        return (self.hard or self.soft) and not self.failed

    @property
    def failed(self) -> bool:
        return self.failure is not None or (self.status or 0) >= 400  # noqa: PLR2004 - HTTP errors

    def outcome_of(self, ending: Ending) -> Outcome:
        """Return the outcome by the table of docs/reliability.md: parsed content decides, then the ending."""
        if self.failed:
            return "error"
        if self.hard or self.soft:
            return "completed"
        if ending == "abandoned" and self.hung_up:
            return "cancelled"
        return _OUTCOME_WITHOUT_TERMINAL[ending]

    def _account(self, outcome: Outcome) -> None:
        self._settle_usage(outcome)
        if self.cache_hit:
            self.price = Price(None, "cache")
        elif self.reported is not None:
            self.price = self._policy.price(
                provider=self.facts.provider,
                model=self.response_model or self.facts.model,
                request_model=self.facts.model,
                usage=self.reported,
            )

    def _settle_usage(self, outcome: Outcome) -> None:
        """Keep what the provider reported; after a bad end put an estimate where it said nothing."""
        usage = self.reported
        finished = outcome == "completed"
        whole = usage is not None and usage.output_tokens is not None and (finished or self.soft)
        wanted = self._policy.estimate_usage
        if whole or wanted == "never" or (finished and wanted != "always"):
            self.usage_source = "provider" if usage is not None else "none"
        elif self.chunks:
            self.reported = self._estimate(usage or Usage())
            self.usage_source = "estimated"
        elif usage is not None:
            self.usage_source = "provider"

    def _estimate(self, usage: Usage) -> Usage:
        """What was billed at least: the tokens of the characters seen; a larger reported number stands."""
        seen = math.ceil(self.characters / CHARACTERS_PER_TOKEN)
        prompt = math.ceil(self.facts.prompt_characters / CHARACTERS_PER_TOKEN)
        return msgspec.structs.replace(
            usage,
            input_tokens=prompt if usage.input_tokens is None else usage.input_tokens,
            output_tokens=max(seen, usage.output_tokens or 0),
        )

    def _last_event(self, outcome: Outcome, error: BaseException | None) -> Ended:
        usage = self.reported or Usage()
        known = self._known()
        if outcome == "completed":
            return Completed(self.request_id, usage.input_tokens, usage.output_tokens, self.cost_usd, **known)
        return Error(
            self.request_id,
            self._message(outcome, error)[:MAX_MESSAGE],
            error_type=self._error_type(outcome, error),
            outcome=outcome,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=self.cost_usd,
            **known,
        )

    def _known(self) -> dict[str, object]:
        usage = self.reported or Usage()
        return {
            "response_id": self.response_id,
            "provider_request_id": self.provider_request_id,
            "response_model": self.response_model,
            "finish_reasons": self.finish_reasons or None,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "usage_source": self.usage_source,
            "cost_source": self.cost_source,
            "duration_s": self.duration_s,
            "time_to_first_token_s": self.time_to_first_token_s,
            "chunks": self.chunks,
            "output_characters": self.characters,
            "time_unix_nano": self.unix_nano(self.ended_at or self.now),
            "sequence": self._sequence + 1,
            "trace_id": self.trace.trace_id,
            "span_id": self.trace.span_id,
        }

    def _message(self, outcome: Outcome, error: BaseException | None) -> str:
        if self.failure is not None and self.failure.message:
            return self.failure.message
        if self.failed and (self.status or 0) >= 400:  # noqa: PLR2004
            return f"HTTP {self.status}"
        if error is not None and outcome in ("error", "timeout"):
            return str(error) or type(error).__name__
        return _MESSAGES[outcome]

    def _error_type(self, outcome: Outcome, error: BaseException | None) -> str | None:
        """Low-cardinality: the provider's word, the HTTP status or the exception's class (semconv error.type)."""
        if self.failure is not None and (kind := self.failure.type or self.failure.code):
            return kind[:MAX_TEXT]
        if self.failed:
            return str(self.status) if self.status and self.status >= 400 else "_OTHER"  # noqa: PLR2004
        if outcome == "cancelled":
            return None
        if error is not None and outcome in ("error", "timeout"):
            return class_name(error)
        return "timeout" if outcome == "timeout" else "_OTHER"

    # -- what others read ----------------------------------------------------------------------------

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
        return max(0.0, (self._policy.clock() if self.ended_at is None else self.ended_at) - self.started_at)

    @property
    def time_to_first_token_s(self) -> float | None:
        """Seconds from the request to the first content-bearing chunk, reasoning and tool calls included."""
        return None if self.first_at is None else max(0.0, self.first_at - self.started_at)

    @property
    def idle_s(self) -> float:
        """Seconds since anything arrived."""
        return max(0.0, self._policy.clock() - self.now)

    @property
    def gaps(self) -> tuple[Sequence[int], float]:
        """(how many gaps between output chunks fell into each bucket of GAP_BOUNDS_SECONDS, their sum in s)."""
        return self._gaps, 0.0 if self.first_at is None else self.last_chunk_at - self.first_at

    @property
    def sequence(self) -> int:
        """The number of the last event so far."""
        return self._sequence

    def unix_nano(self, at: float) -> int:
        """Return a reading of the clock as nanoseconds since the epoch."""
        return self._origin + int(at * 1e9)

    def _close_window(self) -> None:
        """End a window of deltas; windows double, so that any answer needs fewer than 64 of them."""
        chunks = self.chunks - self._last_window
        if not chunks:
            return
        self.windows.append(
            Window(
                self.unix_nano(self._window_start),
                self.unix_nano(self.last_chunk_at),
                chunks,
                self.characters - self._window_characters,
                self.transcript.cut() if self.transcript is not None else None,
            )
        )
        self._window_end = max(2, self.chunks * 2)
        self._last_window = self.chunks
        self._window_characters = self.characters
        self._window_start = self.last_chunk_at


def class_name(error: BaseException) -> str:
    """Return the exception's class as `exception.type` has it: qualified, builtins bare."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
