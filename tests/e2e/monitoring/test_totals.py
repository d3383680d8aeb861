"""The books: counters in Prometheus against the provider's ledger, after everything went wrong that can.

Two workers behind one `/metrics`; calls that fail, are refused, cut off and hung up on; a worker is killed.
"""

from __future__ import annotations

import pytest
from e2e.bills import bill
from e2e.monitoring import acts

pytestmark = pytest.mark.e2e


def test_every_request_the_provider_saw_is_counted_once(counted):
    lost = counted.lost
    by_outcome = counted.prometheus.by("outcome", "sum by (outcome) (llm_stream_requests_total) > 0")
    sent = counted.ledger["outcomes"]

    assert lost > 0
    assert sum(by_outcome.values()) == counted.ledger["requests"] - lost
    assert by_outcome == {
        "completed": sent["completed"],
        "error": sum(sent.get(how, 0) for how in ("error", "cut", "429", "503", "529")),
        "cancelled": sent["hung_up"] - lost,
    }


def test_every_call_is_counted_once_by_what_its_caller_saw(counted):
    """Those that were refused and then answered are completed; those of the killed worker are nowhere."""
    assert counted.prometheus.by("outcome", "sum by (outcome) (llm_stream_calls_total) > 0") == {
        "completed": len(counted.answered),
        "cancelled": len(acts.HUNG_UP),
        "error": len(acts.BROKEN),
    }


def test_tokens_equal_the_ledger(counted):
    """What the provider reported; estimates of streams that ended badly are counted apart from it."""
    by_model = {
        model: {"input": tokens["input"], "output": tokens["output"]}
        for model, tokens in counted.ledger["tokens"].items()
    }
    found = {}
    for row in counted.prometheus.query(
        'sum by (model, token_type) (llm_stream_tokens_total{usage_source="provider"}) > 0'
    ):
        labels = row["metric"]
        found.setdefault(labels["model"], {})[labels["token_type"]] = float(row["value"][1])

    assert found == by_model
    assert counted.prometheus.value('sum(llm_stream_tokens_total{usage_source="estimated"})') > 0


def test_dollars_equal_the_price_table(counted):
    whole = float(sum(bill(plan.recording) for plan in counted.answered))
    estimated = sum(
        event.get("cost_usd") or 0 for event in counted.ended if event["usage_source"] == "estimated"
    )

    assert whole > 0
    assert estimated > 0
    assert counted.prometheus.value("sum(llm_stream_cost_usd_total)") == pytest.approx(
        whole + estimated, rel=1e-9
    )


def test_no_scrape_saw_a_counter_fall_while_a_worker_was_killed_and_folded(counted):
    names = [
        name
        for name in counted.prometheus.ask("label/__name__/values")
        if name.endswith(("_total", "_count"))
    ]
    fallen = [name for name in names if counted.prometheus.value(f"sum(resets({name}[1h]))")]

    assert len(names) > 10
    assert fallen == []
    assert not (counted.multiproc / f"counter_{counted.killed}.db").exists()
    assert (counted.multiproc / "counter_0.db").exists()


def test_no_stream_of_the_killed_worker_is_in_flight_for_ever(counted):
    assert counted.were_in_flight > 0
    assert not (counted.multiproc / f"gauge_livesum_{counted.killed}.db").exists()
    assert counted.prometheus.value("sum(llm_stream_in_flight)") == 0


def test_a_worker_serves_metrics_when_the_process_that_did_is_killed(counted):
    """The master is gone since the last act, and the totals are still told."""
    assert counted.prometheus.value("sum(up)") == 1
    assert counted.prometheus.value("sum(llm_stream_requests_total)") == len(counted.ended)
