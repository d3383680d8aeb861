"""A registry with streams on it: real recorders and a real broadcaster, a clock that is turned by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.config import Settings
from otel_stream.events import Ended, Started
from otel_stream.meaning import CallFacts, Usage
from otel_stream.metrics.prometheus import StreamMetrics
from otel_stream.pricing import Price
from otel_stream.recorder import Policy, Recorder, Trace, Who


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> int:
        return 1_700_000_000_000_000_000 + int(self.now * 1e9)


class Metered:
    """`StreamMetrics` listening to streams made here, and a reader of what it exported."""

    def __init__(self, registry: CollectorRegistry | None = None, **settings: Any) -> None:
        self.registry = registry or CollectorRegistry()
        self.clock = Clock()
        self.broadcaster = StreamEventBroadcaster()
        self.live: dict[str, Recorder] = {}
        self.price = Price(Decimal("0.25"), "price_table")
        self.metrics = StreamMetrics(
            self.registry,
            settings=Settings.from_env({}, **settings),
            find=self.live.get,
            broadcaster=self.broadcaster,
        )
        self.broadcaster.add_listener(self.metrics.on_event)

    def started(self, event: Started, stream: Recorder) -> None:
        self.live[event.request_id] = stream
        self.broadcaster.send(event)

    def ended(self, event: Ended, stream: Recorder) -> None:
        self.broadcaster.send(event)
        del self.live[event.request_id]

    def open(
        self,
        *,
        provider: str = "openai",
        model: str = "gpt-4o",
        streaming: bool = True,
        who: Who | None = None,
        trace: Trace | None = None,
        source: Any = "upstream",
    ) -> Recorder:
        stream = Recorder(
            CallFacts(provider, "chat", model, "openai_chat", streaming=streaming, prompt_characters=400),
            broadcaster=self.broadcaster,
            sinks=[self],
            who=who or Who(),
            source=source,
            policy=Policy(
                price=lambda **_: self.price, clock=self.clock, wall_clock=self.clock.wall, stall_seconds=10
            ),
        )
        stream.trace = trace or Trace()
        stream.start()
        return stream

    def chunk(self, stream: Recorder, after: float, text: str = "four") -> None:
        """A chunk of output arrives `after` seconds."""
        self.clock.now += after
        stream.tick()
        stream.delta(text)

    def finish(self, stream: Recorder, usage: Usage | None = None, after: float = 0.0) -> None:
        """The stream completes `after` seconds, with that usage."""
        self.clock.now += after
        stream.tick()
        if usage is not None:
            stream.usage(usage)
        stream.done()
        stream.end("eof")

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """Everything of a metric that is not 0, by its label values in the order of the names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and sample.value
        }

    def total(self, name: str, **labels: str) -> float | None:
        """The sum of the series with these labels, or None when there is none."""
        values = [
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(values) if values else None


@pytest.fixture
def metered():
    made = Metered()
    yield made
    made.metrics.close()


@pytest.fixture
def another():
    made = Metered()
    yield made
    made.metrics.close()


@pytest.fixture
def metered_by_tenant():
    made = Metered(metric_labels="tenant")
    yield made
    made.metrics.close()
