"""One process's counters and endpoint together: fed, watched, forked and closed."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.call import CallContext
from otel_stream.config import Settings
from otel_stream.events import Completed, Started
from otel_stream.meaning import CallFacts
from otel_stream.metrics.process import ProcessMetrics
from otel_stream.recorder import Recorder

FACTS = CallFacts("openai", "chat", "gpt-4o", "openai_chat")


@pytest.fixture
def make():
    made = []

    def make(port=0):
        registry, broadcaster = CollectorRegistry(), StreamEventBroadcaster()
        metrics = ProcessMetrics(
            registry, Settings(prometheus_port=port), find=lambda _: None, broadcaster=broadcaster
        )
        made.append(metrics)
        return metrics, broadcaster, registry

    yield make
    for metrics in made:
        metrics.close()


def in_flight(registry) -> float:
    labels = {"provider": "unknown", "model": "m", "operation": "unknown"}
    return registry.get_sample_value("llm_stream_in_flight", labels)


def test_what_is_sent_is_counted_and_served(make):
    metrics, broadcaster, _ = make()
    broadcaster.send(Started("r", "m"))
    broadcaster.send(Completed("r", 3, 4, None))
    metrics.watch([])

    page = urllib.request.urlopen(metrics.endpoint.server.url).read().decode()

    assert 'outcome="completed",provider="unknown",source="upstream"} 1.0' in page
    assert not metrics.waits


def test_closed_it_counts_no_more(make):
    metrics, broadcaster, registry = make()
    broadcaster.send(Started("r", "m"))
    metrics.close()
    broadcaster.send(Started("s", "m"))

    assert in_flight(registry) == 0


def test_a_forked_child_does_not_count_its_parents_streams_down(make):
    metrics, broadcaster, registry = make()
    broadcaster.send(Started("r", "m"))
    parents = metrics.endpoint.server

    metrics.forked()
    metrics.close()
    parents.close()

    assert in_flight(registry) == 1


def test_of_several_workers_those_that_do_not_serve_wait(make, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    first = make()[0]
    second = make(first.endpoint.server.port)[0]
    waited = second.waits
    first.close()
    second.watch([])

    assert (first.waits, waited, second.waits) == (False, True, False)


def test_requests_to_the_gateway_are_counted(make):
    metrics, _, registry = make()
    call = CallContext()
    call.closed(Recorder(FACTS, broadcaster=StreamEventBroadcaster()), "completed")
    metrics.call_ended(call, 200)

    labels = {"agent": "unknown", "tenant": "unknown", "outcome": "completed"}
    assert registry.get_sample_value("llm_stream_calls_total", labels) == 1
