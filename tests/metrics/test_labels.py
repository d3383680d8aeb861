"""The cardinality guard: bounded, exact in total, and told of."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from otel_stream.meaning import Usage
from otel_stream.metrics import labels
from otel_stream.metrics.labels import Children, LabelValues


@pytest.fixture
def overflowed():
    return []


@pytest.fixture
def values(overflowed):
    return LabelValues(overflowed.append)


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_unknown(values, nothing):
    assert values.admit("model", nothing) == "unknown"


def test_a_value_beyond_the_bound_is_other_and_counted(values, overflowed):
    admitted = [values.admit("model", f"m{number}") for number in range(102)]

    assert admitted == [*(f"m{number}" for number in range(100)), "_other", "_other"]
    assert overflowed == ["model", "model"]
    assert values.admit("model", "m7") == "m7"


def test_each_label_has_a_bound_of_its_own(values, overflowed):
    for number in range(101):
        values.admit("model", f"m{number}")

    assert values.admit("tenant", "acme") == "acme"


def test_long_values_are_cut_and_share_one_series(values):
    assert values.admit("tenant", "x" * 500) == "x" * 128
    assert len(values._admitted["tenant"]) == 1
    assert values.admit("tenant", "x" * 900) == "x" * 128
    assert len(values._admitted["tenant"]) == 1


def test_values_of_other_types_are_written_out(values):
    assert values.admit("tenant", 17) == "17"


def test_half_an_emoji_does_not_break_the_scrape(metered_by_tenant):
    """A lone surrogate cannot be encoded as UTF-8, and one such value would stay for ever."""
    metered = metered_by_tenant
    metered.finish(metered.open(model="m\ud83d"), Usage(input_tokens=1, output_tokens=1))

    assert b'model="m?"' in generate_latest(metered.registry)


def test_a_flood_of_models_keeps_totals_exact(metered):
    for number in range(150):
        metered.finish(metered.open(model=f"m{number}"), Usage(input_tokens=10, output_tokens=1))

    assert metered.total("llm_stream_requests_total") == 150
    assert metered.total("llm_stream_tokens_total", token_type="input") == 1500
    assert metered.total("llm_stream_requests_total", model="_other") == 50
    assert metered.total("llm_stream_label_overflow_total", label="model") == 50
    assert metered.samples("llm_stream_in_flight") == {}


class Recording:
    """A metric that notes which children were made."""

    def labels(self, *values: str) -> list[str]:
        return list(values)


def test_a_metric_has_a_bound_of_label_sets_too(monkeypatch, overflowed):
    monkeypatch.setattr(labels, "MAX_LABEL_SETS", 2)
    children: Children[list[str]] = Children(Recording(), ("model", "outcome", "tenant"), overflowed.append)
    first = children["m", "completed", "a"]
    assert children["m", "error", "a"] == ["m", "error", "a"]

    other = children["m", "completed", "b"]

    assert other == ["_other", "completed", "_other"]
    assert children["n", "completed", "c"] is other
    assert children["m", "completed", "a"] is first
    assert overflowed == ["label_sets", "label_sets"]


def test_series_of_endless_names_are_not_remembered(metered):
    metered.finish(metered.open(model="m" * 5000))

    assert metered.metrics._series._known == {}
    assert metered.total("llm_stream_requests_total", model="m" * 128) == 1


def test_an_empty_registry_is_not_filled_by_looking(another):
    assert isinstance(another.registry, CollectorRegistry)
    assert another.samples("llm_stream_label_overflow_total") == {}


def test_overflow_is_counted_from_0(metered):
    """A counter that is born at 1 shows no increase, so the alert would miss the first one."""
    for label in (*labels.MAX_VALUES, labels.LABEL_SETS):
        assert metered.total("llm_stream_label_overflow_total", label=label) == 0
