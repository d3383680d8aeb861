"""The boards that are shipped: made by their code, fit for Grafana, and about metrics we export."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import board_queries
import board_rules
import pytest
from prometheus_client import CollectorRegistry

from otel_stream.metrics.instruments import Instruments

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = sorted(FOLDER.glob("*.json"))
EXPORTED = Instruments(CollectorRegistry()).rows

NOT_ON_A_BOARD: dict[str, str] = {}
"""Exported metrics that no board shows, with the reason."""


def load(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def test_the_boards_are_there():
    assert [path.name for path in BOARDS] == ["cost.json", "overview.json", "streams.json"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.name)
def test_a_board_keeps_the_rules(path):
    assert board_rules.problems(load(path), EXPORTED) == []


def test_the_files_are_what_their_code_makes():
    pytest.importorskip("grafana_foundation_sdk", reason="needs pip install --group dashboards")

    checked = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_boards_have_uids_of_their_own():
    uids = [load(path)["uid"] for path in BOARDS]

    assert len(set(uids)) == len(uids)


def test_every_metric_is_on_a_board_or_has_a_reason_not_to_be():
    shown = {name for path in BOARDS for name in board_rules.metrics_on(load(path))}
    on_boards = {row.name for row in EXPORTED if shown & set(board_queries.series_of(row))}

    assert {row.name for row in EXPORTED} - on_boards == set(NOT_ON_A_BOARD)


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.name)
def test_the_choices_are_filled_from_a_metric_we_export(path):
    labels = {name: row.labels for row in EXPORTED for name in board_queries.series_of(row)}
    queries = [v["query"]["query"] for v in board_rules.variables(load(path)) if v["type"] == "query"]

    for query in queries:
        metric, used, label = re.fullmatch(r"label_values\((\w+)(?:\{(.*)\})?, (\w+)\)", query).groups()
        names = {label, *re.findall(r"(\w+)=~", used or "")}
        assert names <= {*labels[metric], *board_queries.OF_THE_SCRAPE}, query


# -- the gate itself: broken copies of a board are caught ----------------------------------------------


def first(board: dict, kind: str = "timeseries") -> dict:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def variable(board: dict, name: str = "instance") -> dict:
    return next(found for found in board_rules.variables(board) if found["name"] == name)


def ask(board: dict, expr: str) -> None:
    first(board)["targets"][0]["expr"] = expr


def raw_counter(board):
    ask(board, 'sum(llm_stream_requests_total{job=~"$job",instance=~"$instance"})')


def bad_syntax(board):
    ask(board, "sum(rate(")


def no_job(board):
    ask(board, 'sum(llm_stream_in_flight{instance=~"$instance"})')


def alerts_of_every_job(board):
    ask(board, 'count(ALERTS{alertstate="firing",instance=~"$instance|"})')


def fixed_instance(board):
    ask(board, 'sum(llm_stream_in_flight{job=~"$job",instance="gateway-1"})')


def fixed_range(board):
    ask(board, 'sum(rate(llm_stream_requests_total{job=~"$job",instance=~"$instance"}[1m]))')


def not_our_metric(board):
    ask(board, 'sum(litellm_in_flight_requests{job=~"$job",instance=~"$instance"})')


def not_our_label(board):
    ask(board, 'sum by (user) (llm_stream_in_flight{job=~"$job",instance=~"$instance"})')


def label_in_a_matcher(board):
    ask(board, 'sum(llm_stream_in_flight{job=~"$job",instance=~"$instance",user="me"})')


def value_that_never_is(board):
    ask(
        board,
        'sum(increase(llm_stream_requests_total{job=~"$job",instance=~"$instance",outcome="failed"}[5m]))',
    )


def summed_away_label(board):
    ask(board, 'sum(llm_stream_in_flight{job=~"$job",instance=~"$instance"})')
    first(board)["targets"][0]["legendFormat"] = "{{model}}"


def no_description(board):
    first(board)["description"] = ""


def no_unit(board):
    del first(board)["fieldConfig"]["defaults"]["unit"]


def invented_unit(board):
    first(board)["fieldConfig"]["defaults"]["unit"] = "tokens"


def no_targets(board):
    first(board)["targets"] = []


def fixed_source(board):
    first(board)["targets"][0]["datasource"] = {"type": "prometheus", "uid": "PBFA97CFB590B2093"}


def same_letter_twice(board):
    targets = first(board)["targets"]
    targets.append(copy.deepcopy(targets[0]))


def same_id_twice(board):
    board["panels"][1]["id"] = board["panels"][0]["id"]


def overlapping(board):
    board["panels"][2]["gridPos"]["x"] = board["panels"][1]["gridPos"]["x"]


def too_wide(board):
    board["panels"][-1]["gridPos"]["x"] = 20


def newest_schema(board):
    board["schemaVersion"] = 42


def with_an_id(board):
    board["id"] = 7


def with_inputs(board):
    board["__inputs"] = []


def without_uid(board):
    board["uid"] = ""


def editable(board):
    board["editable"] = True


def all_is_everything(board):
    variable(board)["allValue"] = ".*"


def variable_of_another_source(board):
    variable(board)["datasource"]["uid"] = "prometheus"


def variable_loaded_once(board):
    variable(board)["refresh"] = 1


def no_source(board):
    del board["templating"]["list"][0]


def link_elsewhere(board):
    first(board)["fieldConfig"]["defaults"]["links"] = [{"title": "Wiki", "url": "/d/somebody-elses"}]


def traces_by_a_foreign_attribute(board):
    link = first(board)["fieldConfig"]["defaults"]["links"][0]
    link["url"] = link["url"].replace("otel_stream.request_id", "traceloop.span.kind")


BROKEN = {
    raw_counter: "target_counter_agg",
    bad_syntax: "target_promql",
    no_job: "target_job_instance",
    alerts_of_every_job: "target_job_instance",
    fixed_instance: "target_job_instance",
    fixed_range: "target_rate_interval",
    not_our_metric: "target_ours",
    not_our_label: "target_ours",
    label_in_a_matcher: "target_ours",
    value_that_never_is: "target_ours",
    summed_away_label: "target_legend",
    no_description: "panel_title_description",
    no_unit: "panel_units",
    invented_unit: "panel_units",
    no_targets: "panel_no_targets",
    fixed_source: "panel_datasource",
    same_letter_twice: "query_letters",
    same_id_twice: "numbered",
    overlapping: "laid_out",
    too_wide: "laid_out",
    newest_schema: "provisionable",
    with_an_id: "provisionable",
    with_inputs: "provisionable",
    without_uid: "provisionable",
    editable: "uneditable_dashboard",
    all_is_everything: "template_job_instance",
    variable_of_another_source: "template_job_instance",
    variable_loaded_once: "template_on_time_change_reload",
    no_source: "template_datasource",
    link_elsewhere: "panel_links",
    traces_by_a_foreign_attribute: "panel_links",
}


@pytest.mark.parametrize(
    ("break_it", "rule"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", None)
)
def test_a_broken_copy_of_a_board_is_caught(break_it, rule):
    board = load(BOARDS[0])
    break_it(board)

    assert rule in {found.partition(":")[0] for found in board_rules.problems(board, EXPORTED)}


def test_every_rule_catches_something():
    rules = (*board_rules.BOARD_RULES, *board_rules.PANEL_RULES, *board_queries.QUERY_RULES)

    assert {rule.__name__ for rule in rules} | {"target_promql"} == set(BROKEN.values())
