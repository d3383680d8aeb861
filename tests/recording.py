"""A recorder under a clock of the test's own, and everything it emits."""

from __future__ import annotations

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.events import TextDelta
from otel_stream.meaning import CallFacts
from otel_stream.recorder import Policy, Recorder

EPOCH_NS = 1_700_000_000_000_000_000
FACTS = CallFacts("openai", "chat", "gpt-4o", "openai_chat", prompt_characters=400)


class FakeClock:
    """Seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds

    def nanoseconds(self) -> int:
        return EPOCH_NS + int((self.seconds - 100.0) * 1e9)


class Recording:
    """`stream` is started; `events` holds what it emitted, deltas too."""

    def __init__(self, facts=FACTS, *, sinks=(), deltas=True, policy=None, start=True, **known) -> None:
        self.clock = FakeClock()
        self.events = []
        self.broadcaster = StreamEventBroadcaster()
        if deltas:
            self.broadcaster.add_listener(self._delta, deltas=True)
        given = {"clock": self.clock, "wall_clock": self.clock.nanoseconds, **(policy or {})}
        self.stream = Recorder(
            facts, broadcaster=self.broadcaster, sinks=(self, *sinks), policy=Policy(**given), **known
        )
        if start:
            self.stream.start()

    def _delta(self, event) -> None:
        if isinstance(event, TextDelta):
            self.events.append(event)

    def started(self, event, stream) -> None:
        self.events.append(event)

    def ended(self, event, stream) -> None:
        self.events.append(event)

    def read(self, *texts, after: float = 0.0, channel="output") -> None:
        """Let time pass, then one read of the transport bring these deltas."""
        self.clock.pass_(after)
        self.stream.tick()
        for text in texts:
            self.stream.delta(text, channel)

    def end(self, ending="eof", error=None):
        self.stream.end(ending, error)
        return self.events[-1]
