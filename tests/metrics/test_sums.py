"""Sums kept until an SDK collects them."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_stream.metrics import sums
from otel_stream.metrics.sums import Sums


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def make(reader):
    meter = MeterProvider([reader]).get_meter("t")
    return lambda *names: Sums(meter, "1", [(name, f"about {name}") for name in names])


def collected(reader):
    data = reader.get_metrics_data()
    scopes = [] if data is None else data.resource_metrics[0].scope_metrics
    metrics = [metric for scope in scopes if scope.scope.name == "t" for metric in scope.metrics]
    return {
        metric.name: {tuple(point.attributes.items()): point.value for point in metric.data.data_points}
        for metric in metrics
    }


def test_counters_of_one_row_are_added_to_together(make, reader):
    counted = make("a", "b", "c")

    counted.of({"k": 1}).add((5, 0, None))
    counted.of({"k": 1}).add((2, None, None))
    counted.of({"k": 2}).add((1, None, None))

    assert collected(reader) == {"a": {(("k", 1),): 7, (("k", 2),): 1}, "b": {(("k", 1),): 0}}


def test_sums_without_counters_keep_nothing(make):
    counted = make()

    counted.of({"k": 1}).add((5, None))

    assert counted.of({"k": 1}).amounts == []


def test_series_beyond_the_cap_are_counted_together(make, reader, monkeypatch):
    monkeypatch.setattr(sums, "MAX_SERIES", 3)
    counted = make("a")

    for number in range(10):
        counted.of({"k": number}).add((1,))
    counted.of({"k": 0}).add((1,))

    assert collected(reader)["a"] == {
        (("k", 0),): 2,
        (("k", 1),): 1,
        (("k", 2),): 1,
        (("otel.metric.overflow", True),): 7,
    }


def test_nothing_is_lost_between_threads(make, reader):
    counted = make("a")
    threads = [
        threading.Thread(target=lambda: [counted.of({"k": 1}).add((1,)) for _ in range(2000)])
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert collected(reader)["a"] == {(("k", 1),): 8000}
