"""The runtime serves the live feed where the settings say so, and takes it down at the end."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from otel_stream.config import Settings
from otel_stream.live import client
from otel_stream.live.rendezvous import discover
from otel_stream.meaning import CallFacts
from otel_stream.runtime import Runtime


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def make(place):
    made = []

    def process(**settings):
        given = {"live": "unix", "live_path": str(place), "prometheus_port": 0, **settings}
        made.append(Runtime(Settings(**given), registry=CollectorRegistry()))
        return made[-1]

    yield process
    for runtime in made:
        runtime.shutdown()


def test_streams_are_on_the_feed_and_counters_beside_them(make, place):
    runtime = make()
    stream = runtime.open_stream(CallFacts("openai", "chat", "gpt-4o", "openai_chat"))
    (target,) = discover(place)

    found = client.snapshot(target)
    metrics = client.ask(target, "/metrics")
    runtime.shutdown()

    assert [state.request_id for state in found.streams] == [stream.request_id]
    assert b"llm_stream_" in metrics
    assert discover(place) == []


def test_without_prometheus_there_are_no_counters_on_the_feed(make, place):
    make(prometheus=False)
    (target,) = discover(place)

    with pytest.raises(client.Refused, match="no /metrics"):
        client.ask(target, "/metrics")


def test_by_default_nothing_is_served(make, place):
    runtime = make(live="off")

    assert runtime.live_server is None
    assert discover(place) == []


def test_a_feed_that_cannot_be_served_stops_nothing(make, place, caplog):
    place.mkdir(mode=0o777)
    place.chmod(0o777)

    runtime = make()

    assert runtime.live_server is None
    assert "the live feed is not served" in caplog.text
