"""The official metrics, as an OTLP exporter gets them: names, units, buckets, attributes, values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import Counter, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    InMemoryMetricReader,
    Sum,
)
from opentelemetry.sdk.trace import TracerProvider
from recording import FACTS, FakeClock, Recording

from otel_stream import semconv
from otel_stream.config import Settings
from otel_stream.identity import Trace
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.metrics import bound
from otel_stream.metrics.otel import ClientMetrics
from otel_stream.pricing import Price

PRICED = {"price": lambda **_: Price(Decimal("0.25"), "price_table")}
BASE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
}
UNKNOWN = {**BASE, "gen_ai.token.modality": "unknown"}

LATEST = {
    "gen_ai.client.inference.duration": ("s", Histogram, semconv.DURATION_BUCKETS),
    "gen_ai.client.inference.time_to_first_chunk": ("s", Histogram, semconv.DURATION_BUCKETS),
    "gen_ai.client.inference.time_per_output_chunk": ("s", Histogram, semconv.DURATION_BUCKETS),
    "gen_ai.client.inference.usage.input_tokens": ("{token}", Sum, None),
    "gen_ai.client.inference.usage.output_tokens": ("{token}", Sum, None),
    "gen_ai.client.inference.usage.cache_read.input_tokens": ("{token}", Sum, None),
    "gen_ai.client.inference.usage.cache_write.input_tokens": ("{token}", Sum, None),
    "gen_ai.client.inference.usage.reasoning.output_tokens": ("{token}", Sum, None),
    "gen_ai.client.inference.operation.input_tokens": ("{token}", Histogram, semconv.TOKEN_BUCKETS),
    "gen_ai.client.inference.operation.output_tokens": ("{token}", Histogram, semconv.TOKEN_BUCKETS),
}
V1_41 = {
    "gen_ai.client.operation.duration": ("s", Histogram, semconv.DURATION_BUCKETS),
    "gen_ai.client.operation.time_to_first_chunk": ("s", Histogram, semconv.DURATION_BUCKETS),
    "gen_ai.client.operation.time_per_output_chunk": ("s", Histogram, semconv.DURATION_BUCKETS),
    "gen_ai.client.token.usage": ("{token}", Histogram, semconv.TOKEN_BUCKETS),
}
OURS = {"otel_stream.cost": ("USD", Sum, None)}


class Measured:
    """Client metrics on an SDK of their own, and what a reader collects."""

    def __init__(self, mode="latest", *, temporality=None, **settings):
        self.reader = InMemoryMetricReader(preferred_temporality=temporality)
        self.provider = MeterProvider([self.reader])
        self.metrics = ClientMetrics(
            self.provider, Settings.from_env({}, semconv=mode, **settings), clock=FakeClock()
        )

    def open(self, facts=FACTS, **known):
        return Recording(facts, sinks=[self.metrics], **known)

    def collect(self):
        """Return the metrics by name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        (resource,) = data.resource_metrics
        scopes = [
            s for s in resource.scope_metrics if s.scope.name == "otel_stream"
        ]  # SDKs tell of themselves
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name):
        """Return attributes and value of each series: the sum, or (count, sum) of a histogram."""
        found = self.collect().get(name)
        return [] if found is None else [(dict(p.attributes), value(p)) for p in found.data.data_points]


def value(point):
    return (point.count, pytest.approx(point.sum)) if hasattr(point, "bucket_counts") else point.value


USAGE = Usage(100, 20, 40, 10, 5)


def an_answer(recording, usage=USAGE):
    recording.stream.head("chatcmpl-1", "gpt-4o")
    recording.read("Hel", after=0.5)
    recording.read("lo", after=0.02)
    recording.read("!", after=0.02)
    recording.stream.usage(usage)
    recording.stream.done()
    recording.clock.pass_(0.46)
    recording.end()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("latest", LATEST | OURS), ("v1.41", V1_41 | OURS), ("dup", LATEST | V1_41 | OURS)],
)
def test_names_units_kinds_and_buckets_are_those_of_the_conventions(mode, expected):
    measured = Measured(mode)

    an_answer(measured.open(policy=PRICED))

    found = {
        name: (
            metric.unit,
            type(metric.data),
            getattr(metric.data.data_points[0], "explicit_bounds", None),
        )
        for name, metric in measured.collect().items()
    }
    assert found == expected


def test_sums_are_monotonic_counters_whatever_the_instrument():
    measured = Measured()

    an_answer(measured.open(policy=PRICED))

    sums = [metric.data for metric in measured.collect().values() if isinstance(metric.data, Sum)]
    assert {(data.is_monotonic, data.aggregation_temporality) for data in sums} == {
        (True, AggregationTemporality.CUMULATIVE)
    }


def test_sums_are_deltas_for_exporters_that_prefer_those():
    delta = AggregationTemporality.DELTA
    measured = Measured(temporality={Counter: delta, ObservableCounter: delta})
    name = "gen_ai.client.inference.usage.input_tokens"

    an_answer(measured.open())
    first = [number for _, number in measured.points(name)]
    an_answer(measured.open())
    second = [number for _, number in measured.points(name)]

    assert (first, second) == ([100], [100])


def test_a_stream_is_recorded_with_its_values_and_their_types():
    measured = Measured()

    an_answer(measured.open(policy=PRICED))

    common = {**BASE, "gen_ai.response.model": "gpt-4o"}
    unknown = {**common, "gen_ai.token.modality": "unknown"}
    prefix = "gen_ai.client.inference"
    found = {name: measured.points(name) for name in measured.collect()}
    assert found == {
        f"{prefix}.duration": [(common, (1, pytest.approx(1.0)))],
        f"{prefix}.time_to_first_chunk": [(common, (1, pytest.approx(0.5)))],
        f"{prefix}.time_per_output_chunk": [(common, (2, pytest.approx(0.03)))],
        f"{prefix}.usage.input_tokens": [(unknown, 100)],
        f"{prefix}.usage.output_tokens": [(unknown, 20)],
        f"{prefix}.usage.cache_read.input_tokens": [(unknown, 40)],
        f"{prefix}.usage.cache_write.input_tokens": [(unknown, 10)],
        f"{prefix}.usage.reasoning.output_tokens": [(unknown, 5)],
        f"{prefix}.operation.input_tokens": [(common, (1, 100))],
        f"{prefix}.operation.output_tokens": [(common, (1, 20))],
        "otel_stream.cost": [({**common, "otel_stream.cost_source": "price_table"}, 0.25)],
    }
    assert {type(point[1]) for point in found[f"{prefix}.usage.input_tokens"]} == {int}


def test_v1_41_tells_input_and_output_apart_by_an_attribute():
    measured = Measured("v1.41")

    an_answer(measured.open())

    kinds = {at["gen_ai.token.type"]: number for at, number in measured.points("gen_ai.client.token.usage")}
    assert kinds == {"input": (1, 100), "output": (1, 20)}


def test_where_the_server_is_stands_on_every_series():
    facts = CallFacts("openai", "chat", "gpt-4o", "openai_chat", True, "api.openai.com", 443)
    measured = Measured()

    an_answer(measured.open(facts, policy=PRICED))

    for name in measured.collect():
        for attributes, _ in measured.points(name):
            assert (attributes["server.address"], attributes["server.port"]) == ("api.openai.com", 443), name


def test_what_is_not_known_is_left_out():
    facts = CallFacts("ollama", "chat", "unknown", "ollama_chat", server_address="llm.internal")
    measured = Measured()

    measured.open(facts).end("closed")

    assert measured.points("gen_ai.client.inference.duration") == [
        (
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "ollama",
                "server.address": "llm.internal",
            },
            (1, 0),
        )
    ]


def test_a_non_streaming_call_has_no_streaming_metric():
    """SHOULD NOT be reported otherwise."""
    measured = Measured("dup")

    an_answer(measured.open(CallFacts("openai", "chat", "gpt-4o", "openai_chat", streaming=False)))

    assert not [name for name in measured.collect() if "chunk" in name]


# -- errors ------------------------------------------------------------------------------------------


def test_an_error_stands_on_durations_and_operation_tokens_only():
    measured = Measured("dup")
    recording = measured.open()
    recording.read("Hel", after=0.5)
    recording.read("lo", after=0.5)
    recording.stream.error(Failure("overloaded_error", None, "later"))

    recording.end()

    with_error = {
        name
        for name in measured.collect()
        if any(at.get("error.type") == "overloaded_error" for at, _ in measured.points(name))
    }
    assert with_error == {
        "gen_ai.client.inference.duration",
        "gen_ai.client.operation.duration",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
    }


@pytest.mark.parametrize(("cancel_is_error", "expected"), [(False, None), (True, "cancelled")])
def test_a_caller_who_hung_up_is_an_error_only_where_the_setting_says_so(cancel_is_error, expected):
    measured = Measured(cancel_is_error=cancel_is_error)

    measured.open().end("closed")

    ((attributes, _),) = measured.points("gen_ai.client.inference.duration")
    assert attributes.get("error.type") == expected


# -- tokens and money --------------------------------------------------------------------------------


def test_estimated_tokens_are_counted_and_told_apart():
    measured = Measured()
    recording = measured.open()
    recording.read("12345678")

    recording.end("closed")

    for name in ("usage.output_tokens", "operation.output_tokens"):
        ((attributes, number),) = measured.points(f"gen_ai.client.inference.{name}")
        assert attributes["otel_stream.usage_source"] == "estimated"
        assert number in (2, (1, 2))
    ((attributes, _),) = measured.points("gen_ai.client.inference.duration")
    assert "otel_stream.usage_source" not in attributes


def test_a_stream_without_usage_adds_nothing_but_its_series_is_there():
    measured = Measured("dup")

    measured.open().end("closed")

    assert measured.points("gen_ai.client.inference.usage.input_tokens") == [(UNKNOWN, 0)]
    names = set(measured.collect())
    assert not {name for name in names if "operation." in name and "token" in name}
    assert not names & {"gen_ai.client.token.usage", "otel_stream.cost"}
    assert "gen_ai.client.inference.usage.reasoning.output_tokens" not in names


def test_audio_tokens_are_their_own_modality():
    measured = Measured()

    an_answer(measured.open(), Usage(100, 50, input_audio_tokens=30, output_audio_tokens=60))

    def modalities(name):
        found = measured.points(f"gen_ai.client.inference.usage.{name}")
        return {attributes["gen_ai.token.modality"]: number for attributes, number in found}

    assert modalities("input_tokens") == {"unknown": 70, "audio": 30}
    assert modalities("output_tokens") == {"unknown": 0, "audio": 60}


def test_a_stream_that_others_are_billed_for_has_a_duration_and_no_tokens():
    measured = Measured("dup")
    recording = measured.open(policy=PRICED, source="downstream")
    recording.stream.billed = False

    an_answer(recording)

    assert {name for name in measured.collect() if "token" in name or "cost" in name} == set()
    assert len(measured.points("gen_ai.client.inference.duration")) == 1


def test_sums_add_up_over_streams():
    measured = Measured()

    for _ in range(3):
        an_answer(measured.open(policy=PRICED))

    assert [number for _, number in measured.points("gen_ai.client.inference.usage.output_tokens")] == [60]
    assert [number for _, number in measured.points("otel_stream.cost")] == [0.75]


# -- exemplars, providers ----------------------------------------------------------------------------


def exemplars(measured):
    """Return the spans that exemplars lead to, by metric; collecting takes them away."""
    return {
        name.removeprefix("gen_ai.client.inference."): [
            (one.trace_id, one.span_id) for one in point.exemplars
        ]
        for name, metric in measured.collect().items()
        for point in metric.data.data_points
        if isinstance(metric.data, Histogram)
    }


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (Trace("0" * 31 + "7", "0" * 15 + "9", True), [(7, 9)]),
        (Trace("0" * 31 + "7", "0" * 15 + "9", False), []),
        (Trace(), []),
    ],
)
def test_an_exemplar_leads_to_the_streams_own_exported_span_and_to_no_other(own, expected):
    measured = Measured()
    recording = measured.open()
    recording.stream.trace = own

    with TracerProvider().get_tracer("app").start_as_current_span("somebody's"):
        an_answer(recording)

    assert exemplars(measured) == {
        "duration": expected,
        "time_to_first_chunk": expected,
        "time_per_output_chunk": [],
        "operation.input_tokens": [],
        "operation.output_tokens": [],
    }


def test_the_context_without_a_span_is_not_taken_for_none():
    """An SDK takes an empty context for the current one."""
    assert bound.NOWHERE
    assert trace.get_current_span(bound.NOWHERE) is trace.INVALID_SPAN
    assert not Context()


@pytest.mark.parametrize("provider", [NoOpMeterProvider(), MeterProvider([])], ids=["no SDK", "no reader"])
def test_where_nobody_reads_nothing_is_recorded(monkeypatch, provider):
    client = ClientMetrics(provider)
    monkeypatch.setattr(client, "_sample", None)

    an_answer(Recording(sinks=[client]))


def test_the_global_provider_may_be_set_later(monkeypatch):
    reader = InMemoryMetricReader()
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", None)
    monkeypatch.setattr(metrics._internal, "_PROXY_METER_PROVIDER", metrics._internal._ProxyMeterProvider())
    client = ClientMetrics()
    an_answer(Recording(sinks=[client]))

    metrics._internal._PROXY_METER_PROVIDER.on_set_meter_provider(MeterProvider([reader]))
    an_answer(Recording(sinks=[client]))

    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0]
    found = {metric.name: metric.data.data_points[0] for metric in data.metrics}
    assert found["gen_ai.client.inference.duration"].count == 1
    assert found["gen_ai.client.inference.usage.input_tokens"].value == 200


def test_what_is_not_yet_exported_goes_out_when_the_provider_shuts_down():
    seen = []

    class Reader(InMemoryMetricReader):
        def shutdown(self, timeout_millis=30_000, **kwargs):
            seen.append(self.get_metrics_data())
            super().shutdown(timeout_millis, **kwargs)

    provider = MeterProvider([Reader()])
    client = ClientMetrics(provider)
    an_answer(Recording(sinks=[client]))
    client.shutdown()

    provider.shutdown()

    (data,) = seen
    names = {metric.name for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    assert {"gen_ai.client.inference.duration", "gen_ai.client.inference.usage.input_tokens"} <= names
