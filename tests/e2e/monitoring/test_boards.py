"""Every panel of every board, asked of a real Prometheus that scrapes a gateway under load."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import version

import board_queries
import board_rules
import pytest
from e2e.processes import until
from e2e.prometheus_api import get

from otel_stream import semconv

pytestmark = pytest.mark.e2e

NAMES = ("overview.json", "cost.json", "streams.json")


def board(monitored, name):
    return json.loads((monitored.shipped / name).read_text())


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_a_board_returns_data(monitored, name):
    """All of them in one go; not at any time, because a scrape that takes too long takes the gauges away."""
    queries = [
        (panel["title"], target["expr"])
        for panel in board_rules.panels(board(monitored, name))
        for target in panel["targets"]
    ]

    def silent():
        ask = monitored.prometheus.query
        return [asked for asked in queries if not ask(board_queries.filled_in(asked[1]))]

    until(lambda: not silent(), lambda: f"data for {silent()}")


def test_an_instance_has_one_row_of_versions(monitored):
    """Grafana merges rows that agree in all labels they share: that must be the instance alone."""
    shown = {panel["title"]: panel for panel in board_rules.panels(board(monitored, "streams.json"))}

    def rows():
        asked = [board_queries.filled_in(target["expr"]) for target in shown["Versions"]["targets"]]
        found = [monitored.prometheus.query(expr) for expr in asked]
        return found if all(found) else None

    ((build,), (prices,)) = until(rows, "versions")
    assert build["metric"].keys() & prices["metric"].keys() == {"instance"}
    assert build["metric"]["otel_stream"] == semconv.scope_version()
    assert prices["metric"]["genai_prices"] == version("genai-prices")


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_of_a_board_offers_something(monitored, name):
    for variable in board_rules.variables(board(monitored, name)):
        if variable["type"] == "query":
            metric, matchers, label = re.fullmatch(
                r"label_values\((\w+)(\{.*\})?, (\w+)\)", variable["query"]["query"]
            ).groups()
            series = metric + board_queries.filled_in(matchers or "")
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
