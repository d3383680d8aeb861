"""The table of metrics: names by Prometheus' rules, and the cheap way to add many gaps at once."""

from __future__ import annotations

import re
from bisect import bisect_left
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from otel_stream.metrics import instruments as module
from otel_stream.metrics.instruments import Instruments, observe_gaps
from otel_stream.metrics.labels import MAX_VALUES
from otel_stream.recorder import GAP_BOUNDS_SECONDS

ROWS = Instruments(CollectorRegistry()).rows

CLOSED_LABELS = {
    "outcome", "source", "error_type", "token_type", "usage_source", "detail", "cost_source", "reason",
    "label", "version", "updated",
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_names_follow_prometheus_rules(row):
    """What `promtool check metrics` would say."""
    assert re.fullmatch(r"llm_stream(_[a-z]+)+", row.name)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert row.help.endswith(".")
    assert row.kind != "histogram" or row.name.endswith("_seconds")


def test_the_page_on_metrics_tells_of_each():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    table = [f"| `{row.name}` | {row.kind} | {', '.join(row.labels)} | {row.help} |" for row in sorted(ROWS)]

    assert [line for line in page.splitlines() if line.startswith("| `llm_stream_")] == table


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_label_is_bounded_or_a_closed_set(row):
    assert set(row.labels) <= CLOSED_LABELS | MAX_VALUES.keys()


def test_all_of_it_works_in_multi_process_mode(monkeypatch):
    """No Info, and no collector of our own, which would answer for one process only."""
    registry = CollectorRegistry()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/somewhere")
    Instruments(registry)

    kinds = {type(collector).__name__ for collector in registry._collector_to_names}
    assert kinds == {"Counter", "Gauge", "Histogram"}


def test_the_prefix_can_be_another():
    assert all(row.name.startswith("acme_") for row in Instruments(CollectorRegistry(), "acme").rows)


def test_an_uninstalled_tree_has_an_unknown_version(monkeypatch):
    assert module._version("no-such-distribution") == "unknown"


def histogram() -> Histogram:
    return Histogram("gaps", "Gaps.", registry=CollectorRegistry(), buckets=GAP_BOUNDS_SECONDS)


def values(made: Histogram) -> dict[tuple[str, str], float]:
    (family,) = made.collect()
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.floats(0, 60), max_size=50))
def test_gaps_added_at_once_are_the_same_as_gaps_observed(gaps):
    """The cheap way goes through private cells of prometheus_client: a test for its next version."""
    observed, flushed = histogram(), histogram()
    counts = [0] * (len(GAP_BOUNDS_SECONDS) + 1)
    for gap in gaps:
        observed.observe(gap)
        counts[bisect_left(GAP_BOUNDS_SECONDS, gap)] += 1
    observe_gaps(flushed, counts, sum(gaps))

    assert values(flushed) == pytest.approx(values(observed))


def test_without_the_private_cells_gaps_are_observed(monkeypatch):
    made, plain = histogram(), histogram()

    class Shell:
        def __init__(self):
            self.observe = made.observe

    observe_gaps(Shell(), [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], 46.0)
    for gap in (0.004, 0.005, 0.9, 45):
        plain.observe(gap)

    counts = {key: value for key, value in values(plain).items() if key[0] != "gaps_sum"}
    assert {key: value for key, value in values(made).items() if key[0] != "gaps_sum"} == counts
