"""Every panel of every board, asked of a real Prometheus that scrapes a gateway under load."""

from __future__ import annotations

import json
import re
import subprocess

import board_rules
import pytest
from e2e.processes import until
from e2e.prometheus_api import get

pytestmark = pytest.mark.e2e

NAMES = ("overview.json", "cost.json", "streams.json")


def board(monitored, name):
    return json.loads((monitored.shipped / name).read_text())


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_a_board_returns_data(monitored, name):
    silent = [
        (panel["title"], target["expr"])
        for panel in board_rules.panels(board(monitored, name))
        for target in panel["targets"]
        if not monitored.prometheus.query(board_rules.filled_in(target["expr"]))
    ]

    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_of_a_board_offers_something(monitored, name):
    for variable in board_rules.variables(board(monitored, name)):
        if variable["type"] == "query":
            metric, matchers, label = re.fullmatch(
                r"label_values\((\w+)(\{.*\})?, (\w+)\)", variable["query"]["query"]
            ).groups()
            series = metric + board_rules.filled_in(matchers or "")
            assert monitored.prometheus.ask(f"label/{label}/values", **{"match[]": series}), variable["name"]


def test_exemplars_lead_to_traces_that_were_exported(monitored):
    """The dots on the boards: their trace ids are those of spans that came through the collector."""

    def known():
        exported = {span.trace_id.hex() for span in monitored.received.ours("spans")}
        found = {
            name: {exemplar["labels"]["trace_id"] for series in rows for exemplar in series["exemplars"]}
            for name, rows in asked().items()
        }
        return all(ids and ids <= exported for ids in found.values()) and found

    def asked():
        names = ("time_to_first_token_seconds_bucket", "cost_usd_total", "errors_total")
        ask = monitored.prometheus.ask
        window = {"start": "0", "end": "9999999999"}
        return {name: ask("query_exemplars", query=f"llm_stream_{name}", **window) for name in names}

    assert until(known, "exemplars of exported traces")


def test_metrics_keep_the_naming_rules(monitored):
    page = get(f"http://{monitored.metrics}/metrics")
    ours = "".join(
        line + "\n"
        for line in page.splitlines()
        if "llm_stream_" in line and not re.search(r"_created\b", line)
    )
    checked = subprocess.run(
        [monitored.programs / "promtool", "check", "metrics"],
        input=ours,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
