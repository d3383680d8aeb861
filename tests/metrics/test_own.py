"""Our own health as metrics: subscribers, losses and errors, carried over when somebody looks."""

from __future__ import annotations

import pytest

from otel_stream import _guard
from otel_stream.events import Started
from otel_stream.metrics import labels


def send(metered, count):
    for number in range(count):
        metered.broadcaster.send(Started(f"r{number}", "m"))


def test_published_and_lost_events_are_counted_by_subscriber(metered):
    slow = metered.broadcaster.subscribe(name="screen")
    send(metered, 1003)

    assert metered.total("llm_stream_events_published_total") == 1003
    assert metered.samples("llm_stream_events_dropped_total") == {("lagged", "screen"): 3}
    assert metered.total("llm_stream_subscribers") == 1
    assert metered.samples("llm_stream_subscriber_queue_events") == {("screen",): 1000}
    slow.close()


def test_what_a_subscriber_loses_is_counted_from_0(metered):
    """A counter that is born at 3 shows no increase."""
    subscriber = metered.broadcaster.subscribe(name="screen")

    assert metered.total("llm_stream_events_dropped_total", subscriber="screen") == 0
    subscriber.close()


def test_losses_stay_counted_when_the_subscriber_has_gone(metered):
    slow = metered.broadcaster.subscribe(name="screen")
    send(metered, 1003)
    slow.close()
    gone = metered.samples("llm_stream_events_dropped_total")

    assert gone == {("lagged", "screen"): 3}
    assert metered.samples("llm_stream_events_dropped_total") == gone
    assert metered.samples("llm_stream_subscriber_queue_events") == {}
    assert metered.total("llm_stream_subscribers") == 0


def test_subscribers_beyond_the_bound_share_one_series(metered, monkeypatch):
    monkeypatch.setitem(labels.MAX_VALUES, "subscriber", 1)
    readers = [metered.broadcaster.subscribe(name=f"s{number}") for number in range(3)]
    send(metered, 1002)

    assert metered.samples("llm_stream_events_dropped_total") == {
        ("lagged", "s0"): 2,
        ("lagged", "_other"): 4,
    }
    for reader in readers:
        reader.close()


def test_errors_of_ours_are_counted_by_stage(metered, swallow):
    before = metered.total("llm_stream_instrumentation_errors_total", stage="test.own") or 0
    with _guard.guard("test.own"):
        raise ValueError("ours")
    _guard.skipped("test.own")

    assert metered.total("llm_stream_instrumentation_errors_total", stage="test.own") == before + 2
    assert metered.total("llm_stream_instrumentation_errors_total", stage="test.own") == before + 2


def test_two_feeders_of_one_registry_do_not_count_errors_twice(metered):
    again = type(metered)(metered.registry)
    _guard.skipped("test.twice")
    count = _guard.counts()["test.twice"]

    assert metered.total("llm_stream_instrumentation_errors_total", stage="test.twice") == count
    again.metrics.close()


def test_the_watch_carries_over_what_no_scrape_asked_for(metered):
    """In multi-process mode another process answers the scrape."""
    metered.metrics._to.before_scrape.clear()
    reader = metered.broadcaster.subscribe()
    send(metered, 2)
    metered.metrics.watch([])

    assert metered.total("llm_stream_events_published_total") == 2
    reader.close()


def test_a_source_that_began_anew_counts_from_there(metered):
    """After a fork the broadcaster of the child starts from nothing."""

    class Forked:
        capacity = 10
        published = 5

        def lost(self):
            return {}

        def receivers(self):
            return ()

    forked = Forked()
    metered.metrics._own._broadcaster = forked
    first = metered.total("llm_stream_events_published_total")
    forked.published = 2

    assert first == 5
    assert metered.total("llm_stream_events_published_total") == 7


def test_a_closed_feeder_lets_go_of_its_broadcaster(metered):
    reader = metered.broadcaster.subscribe(name="screen")
    send(metered, 1)
    metered.metrics.watch([])
    metered.metrics.close()

    assert metered.metrics._own._broadcaster is None
    assert metered.total("llm_stream_events_published_total") == 1
    assert metered.total("llm_stream_subscribers") == 0
    assert metered.samples("llm_stream_subscriber_queue_events") == {}
    reader.close()


@pytest.mark.parametrize("name", ["llm_stream_build_info", "llm_stream_price_table_info"])
def test_versions_are_told(metered, name):
    assert metered.total(name) == 1
