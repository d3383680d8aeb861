"""One stream as the screen shows it: built from its events, read by columns, filters and details. Pure."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from otel_stream.events import Channel, Ended, Started, TextDelta
from otel_stream.processor.state import StreamState
from otel_stream.settlement import CHARACTERS_PER_TOKEN
from otel_stream.tui.meters import NS, Gaps, PerSecond
from otel_stream.tui.said import Said

State: TypeAlias = Literal[
    "waiting", "streaming", "thinking", "tool", "stalled",
    "completed", "error", "timeout", "cancelled", "abandoned", "incomplete", "lost",
]  # fmt: skip
"""Before the first token; what is being written; then how it ended. `lost`: it ended while nobody saw."""

OPEN: frozenset[State] = frozenset(("waiting", "streaming", "thinking", "tool", "stalled"))
BAD: frozenset[State] = frozenset(("error", "timeout", "abandoned", "incomplete"))

SPARK_SECONDS = 10
RATE_SECONDS = 3
MIN_WRITTEN_SECONDS = 0.05  # what came all at once has no rate
_WRITING: dict[Channel, State] = {"reasoning": "thinking", "tool_call": "tool"}


class Row:
    """A stream, from its first frame until it is no longer shown. Times are nanoseconds since the epoch."""

    __slots__ = (
        "_estimated_cost", "_gaps", "_rate", "channel", "characters", "chunks", "ended", "ended_ns",
        "first_token_s", "gateway", "input_tokens", "last_ns", "lost", "marks", "request_id", "said",
        "sequence", "stall_s", "started", "started_ns",
    )  # fmt: skip

    def __init__(self, request_id: str, gateway: str, at: int, stall_s: float = 10.0) -> None:
        self.request_id = request_id
        self.gateway = gateway
        self.stall_s = stall_s
        self.started = Started(request_id, "unknown")
        self.started_ns = at
        self.first_token_s: float | None = None
        self.last_ns: int | None = None
        self.channel: Channel = "output"
        self.chunks = 0
        self.characters = 0
        self.sequence = -1
        """The last event that is counted here."""
        self.input_tokens: int | None = None
        self.ended: Ended | None = None
        self.ended_ns: int | None = None
        self.lost = False
        self.marks: frozenset[str] = frozenset()
        """Which limits it has crossed: names of `limits.Limits`."""
        self.said = Said()
        self._estimated_cost: float | None = None
        self._gaps = Gaps()
        self._rate = PerSecond(SPARK_SECONDS + 2)

    # -- what happens to it ------------------------------------------------------------------------

    def begin(self, event: Started) -> None:
        """Take what is known from its beginning."""
        self.started = event
        self.started_ns = event.time_unix_nano or self.started_ns
        self.sequence = max(self.sequence, event.sequence or 0)

    def delta(self, event: TextDelta, at: int) -> int:
        """Take a piece of the answer; return how many characters of it are news."""
        length = len(event.text) if event.length is None else event.length
        self.said.add(event.text, event.channel, event.index, length)
        sequence = event.sequence
        if sequence is not None:
            if sequence <= self.sequence:
                self.said.found(length)
                return 0
            self.sequence = sequence
        if self.last_ns is not None:
            self._gaps.add(max(0, at - self.last_ns) / NS)
        elif self.first_token_s is None:
            self.first_token_s = max(0, at - self.started_ns) / NS
        if self.lost:
            self.lost, self.ended_ns = False, None
        self.last_ns = at
        self.channel = event.channel
        self.chunks += 1
        self.characters += length
        self._rate.add(at, length)
        return length

    def catch_up(self, state: StreamState, at: int, *, gap: bool = False) -> int:
        """Take what a snapshot knows; return how many characters came meanwhile, none when the row is new.

        `gap`: events were missed before the snapshot, so those characters will not come.
        """
        known = self.sequence >= 0
        if not known or self.started.model == "unknown":
            self.begin(_started_of(state))
        self._estimated_cost = state.cost_usd
        self.input_tokens = state.input_tokens
        self.first_token_s = self.first_token_s or state.time_to_first_token_s
        if self.lost:
            self.lost, self.ended_ns = False, None
        if state.sequence <= self.sequence or not state.chunks:
            return 0
        more = max(0, state.characters - self.characters)
        if gap or not known:
            self.said.missing += more
        news = more if known else 0
        self.sequence, self.chunks, self.characters = state.sequence, state.chunks, state.characters
        self.last_ns = at - int(state.idle_s * NS)
        self._rate.add(at, news)
        return news

    def finish(self, event: Ended, at: int) -> None:
        """Take how it ended, and the exact figures."""
        self.ended = event
        self.ended_ns = at
        self.lost = False
        self.chunks = event.chunks or self.chunks
        self.characters = event.output_characters or self.characters
        if event.time_to_first_token_s is not None:
            self.first_token_s = event.time_to_first_token_s

    def lose(self, at: int) -> None:
        """It is not in flight any more, and nobody saw how it ended."""
        self.lost = True
        self.ended_ns = at

    # -- what it looks like ------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self.ended_ns is None

    def state(self, now: int) -> State:
        if self.ended is not None:
            return self.ended.outcome
        if self.lost:
            return "lost"
        if self.last_ns is None:
            return "waiting"
        if now - self.last_ns > self.stall_s * NS:
            return "stalled"
        return _WRITING.get(self.channel, "streaming")

    @property
    def model(self) -> str:
        return self.started.model

    @property
    def who(self) -> str:
        """Agent and tenant, as far as they are known."""
        agent, tenant = self.started.agent_type, self.started.tenant
        return f"{agent or '?'}@{tenant}" if tenant else agent or ""

    @property
    def output_tokens(self) -> int:
        """The provider's count once it is known, else one token for four characters."""
        if self.ended is not None and self.ended.output_tokens is not None:
            return self.ended.output_tokens
        return math.ceil(self.characters / CHARACTERS_PER_TOKEN)

    @property
    def tokens_are_estimated(self) -> bool:
        ended = self.ended
        return ended is None or ended.output_tokens is None or ended.usage_source == "estimated"

    @property
    def cost_usd(self) -> float | None:
        """Dollars; None where no price is known."""
        return self._estimated_cost if self.ended is None else self.ended.cost_usd

    @property
    def cost_is_estimated(self) -> bool:
        return self.ended is None or self.ended.usage_source == "estimated"

    def age_s(self, now: int) -> float:
        """Seconds from its start to its end, or to now."""
        if self.ended is not None and self.ended.duration_s is not None:
            return self.ended.duration_s
        return max(0, (now if self.ended_ns is None else self.ended_ns) - self.started_ns) / NS

    def silent_s(self, now: int) -> float | None:
        """Seconds since the last piece of the answer; None before the first and after the end."""
        if self.last_ns is None or not self.is_open:
            return None
        return max(0, now - self.last_ns) / NS

    def tokens_per_s(self, now: int) -> float | None:
        """Over the last seconds while it is written, afterwards over the whole answer; None without any."""
        if self.is_open:
            if self.last_ns is None:
                return None
            written = max(1.0, self.age_s(now) - (self.first_token_s or 0.0))
            seconds = min(RATE_SECONDS, int(written))
            return self._rate.rate(now, seconds) / CHARACTERS_PER_TOKEN
        if self.ended is None or self.first_token_s is None or not self.output_tokens:
            return None
        written = self.age_s(now) - self.first_token_s
        return self.output_tokens / written if written >= MIN_WRITTEN_SECONDS else None

    def gap_s(self, share: float) -> float | None:
        """Return a percentile of the gaps between pieces, as far as they were seen."""
        return self._gaps.percentile(share)

    def rates(self, now: int) -> list[float]:
        """Return the characters of each of the last seconds, up to the end."""
        return self._rate.series(now if self.ended_ns is None else self.ended_ns + NS, SPARK_SECONDS)


def _started_of(state: StreamState) -> Started:
    return Started(
        state.request_id,
        state.model,
        agent_type=state.agent_type,
        provider=state.provider,
        operation=state.operation,
        server_address=state.server_address,
        call_id=state.call_id,
        tenant=state.tenant,
        session_id=state.session_id,
        source=state.source,
        time_unix_nano=state.time_unix_nano,
        sequence=0,
        trace_id=state.trace_id,
        span_id=state.span_id,
    )
