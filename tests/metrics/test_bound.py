"""Histograms that know their series: the reader gets what it would get without."""

from __future__ import annotations

import math
import random
from inspect import getsource

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Histogram,
    MeterProvider,
)
from opentelemetry.sdk.metrics._internal._view_instrument_match import _ViewInstrumentMatch
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View

from otel_stream.metrics.bound import BoundHistogram, is_read

binds = pytest.mark.skipif(
    "_reset_on_collect" not in getsource(_ViewInstrumentMatch),
    reason="this version of the SDK is not one we know: each record takes the usual way",
)
HERE = {"model": "gpt-4o", "port": 443}
THERE = {"model": "gpt-5", "port": 443}
DELTA = {Histogram: AggregationTemporality.DELTA}


def sampled():
    span = trace.SpanContext(7, 8, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())


class Measured:
    """One histogram on an SDK of its own; `plain` records as everybody does."""

    def __init__(self, *, plain=False, temporality=None, views=(), exemplar_filter=None):
        self.reader = InMemoryMetricReader(preferred_temporality=temporality)
        self.provider = MeterProvider([self.reader], views=views, exemplar_filter=exemplar_filter)
        self.histogram = self.provider.get_meter("test").create_histogram(
            "h", explicit_bucket_boundaries_advisory=(1.0, 10.0)
        )
        self.bound = {}
        self._plain = plain

    def record(self, value, attributes=HERE, context=None):
        context = context or Context()
        if self._plain:
            self.histogram.record(value, attributes, context)
        else:
            key = tuple(attributes.items())
            self.bound.setdefault(key, BoundHistogram(self.histogram, attributes)).record(value, context)

    def points(self):
        data = self.reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            if scope.scope.name == "test"  # some SDKs tell of themselves as well
            for metric in scope.metrics
        ]
        points = [point for metric in metrics for point in metric.data.data_points]
        return sorted(
            (
                sorted(p.attributes.items()),
                p.count,
                p.sum,
                p.min,
                p.max,
                list(p.bucket_counts),
                shown(p.exemplars),
            )
            for p in points
        )


def shown(exemplars):
    return [(exemplar.value, exemplar.trace_id, exemplar.span_id) for exemplar in exemplars]


def usual_ways(measured, monkeypatch):
    """Count the records that take the SDK's own way."""
    taken = []
    real = type(measured.histogram).record
    monkeypatch.setattr(
        type(measured.histogram), "record", lambda self, *args: taken.append(args) or real(self, *args)
    )
    return taken


@pytest.mark.parametrize("temporality", [None, DELTA])
def test_a_reader_gets_the_same_points_as_from_plain_records(temporality):
    plain, ours = Measured(plain=True, temporality=temporality), Measured(temporality=temporality)

    seen = []
    for measured in (plain, ours):
        dice = random.Random(7)
        rounds = []
        for _ in range(3):
            for _ in range(20):
                measured.record(dice.choice([0.5, 3, 70]), dice.choice([HERE, THERE]))
            rounds.append(measured.points())
        seen.append(rounds)

    assert seen[0] == seen[1]


@binds
def test_only_the_first_record_of_a_series_takes_the_usual_way(monkeypatch):
    measured = Measured()
    taken = usual_ways(measured, monkeypatch)

    for _ in range(5):
        measured.record(1, HERE)
        measured.record(1, THERE)

    assert len(taken) == 2


def test_exemplars_point_to_the_span_of_the_record():
    plain, ours = Measured(plain=True), Measured()

    for measured in (plain, ours):
        measured.record(2)
        measured.record(3, context=sampled())

    points = ours.points()
    assert plain.points() == points
    assert [point[-1] for point in points] == [[(3, 7, 8)]]


@binds
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_what_the_sdk_refuses_is_left_out(value):
    measured = Measured()
    measured.record(2)

    measured.record(value)

    assert [point[1] for point in measured.points()] == [1]


def test_a_view_that_takes_attributes_away_is_respected():
    views = [View(instrument_name="h", attribute_keys={"port"})]
    plain, ours = Measured(plain=True, views=views), Measured(views=views)

    for measured in (plain, ours):
        measured.record(2, HERE)
        measured.record(3, THERE)
        measured.record(4, THERE)

    assert plain.points() == ours.points()


@pytest.mark.parametrize("kind", [AlwaysOnExemplarFilter, AlwaysOffExemplarFilter])
def test_other_filters_of_exemplars_are_asked(kind):
    plain, ours = Measured(plain=True, exemplar_filter=kind()), Measured(exemplar_filter=kind())

    for measured in (plain, ours):
        measured.record(2)
        measured.record(3)
        measured.record(4, context=sampled())

    assert plain.points() == ours.points()


def test_another_sdk_is_used_by_its_api_alone(monkeypatch):
    histogram = NoOpMeterProvider().get_meter("test").create_histogram("h")
    taken = []
    monkeypatch.setattr(type(histogram), "record", lambda _, *args: taken.append(args))
    one = BoundHistogram(histogram, HERE)

    one.record(1, Context())
    one.record(2, Context())

    assert taken == [(1, HERE, Context()), (2, HERE, Context())]


def test_whether_anybody_reads_is_known_of_the_sdk_alone():
    measured = Measured()
    alone = MeterProvider([]).get_meter("test").create_histogram("h")
    foreign = NoOpMeterProvider().get_meter("test").create_histogram("h")

    assert [is_read(measured.histogram), is_read(alone), is_read(foreign)] == [True, False, True]


def test_a_reader_that_comes_later_gets_the_records_from_then_on():
    measured = Measured()
    measured.record(2)
    measured.record(2)
    consumer = measured.histogram._measurement_consumer
    consumer._reader_storages = dict(consumer._reader_storages)  # what the SDK does when a reader comes

    measured.record(3)
    measured.record(4)

    assert [point[1] for point in measured.points()] == [4]
