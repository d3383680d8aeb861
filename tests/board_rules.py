"""The gate of the Grafana boards: what Grafana's own dashboard-linter checks, and that the queries fit us.

Rules go by the linter's names; they are written anew here because the linter is a Go program.
https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import promql_parser as promql
from board_queries import OF_ALERTS, filled_in, selectors, series_of, target_problems

from otel_stream import semconv
from otel_stream.metrics.instruments import Row

Board = dict[str, Any]
Rule = Callable[..., Iterable[str]]

UNITS = {"short", "none", "s", "percentunit", "currencyUSD", "reqps"}
# What is counted is written out; after `count:` Grafana puts 1.2 K before it, after `suffix:` 1200.
COUNTED = {"events", "errors", "values", "stalls"}
UNITS |= {f"count:{things}/s" for things in COUNTED}
SPAN_ATTRIBUTES = {
    semconv.REQUEST_ID, semconv.PROVIDER_NAME, semconv.REQUEST_MODEL, semconv.AGENT_TYPE, semconv.TENANT,
    semconv.OUTCOME, semconv.USAGE_SOURCE, semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
}  # fmt: skip


def problems(board: Board, exported: Iterable[Row]) -> list[str]:
    """Return what is wrong with a board, each with the name of the rule; nothing for a good one."""
    series = OF_ALERTS | {name: row for row in exported for name in series_of(row)}
    found = [f"{rule.__name__}: {text}" for rule in BOARD_RULES for text in rule(board)]
    for panel in panels(board):
        where = f"panel {panel.get('title')!r}"
        found += [f"{rule.__name__}: {where} {text}" for rule in PANEL_RULES for text in rule(panel)]
        for target in panel.get("targets", ()):
            found += [f"{name}: {where} {text}" for name, text in target_problems(target, series)]
    return found


def metrics_on(board: Board) -> set[str]:
    """Return the names of the series a board asks for."""
    return {
        selector.name
        for panel in panels(board)
        for target in panel.get("targets", ())
        for selector, _ in selectors(promql.parse(filled_in(target["expr"])))
    }


def panels(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


# -- the board ---------------------------------------------------------------------------------------


def provisionable(board: Board) -> Iterator[str]:
    """Files that Grafana provisions: classic JSON, no identity of a server, no questions to the user."""
    if board.get("schemaVersion") != 39:
        yield f"schemaVersion is {board.get('schemaVersion')}, not 39"
    if board.get("id") is not None or "version" in board:
        yield "has an id or a version, which are the server's"
    if "__inputs" in board or "apiVersion" in board:
        yield "is not classic JSON for provisioning"
    if not board.get("uid"):
        yield "has no uid, so links to it would break"


def uneditable_dashboard(board: Board) -> Iterator[str]:
    if board.get("editable") is not False:
        yield "is editable, though changes in a provisioned board are lost"


def template_datasource(board: Board) -> Iterator[str]:
    sources = [variable for variable in variables(board) if variable["type"] == "datasource"]
    if [(s["name"], s["label"], s["query"]) for s in sources] != [
        ("datasource", "Data source", "prometheus"),
        ("traces", "Traces", "tempo"),
    ]:
        yield "needs the variables 'datasource' (Data source, prometheus) and 'traces' (Traces, tempo)"


def template_job_instance(board: Board) -> Iterator[str]:
    by_name = {variable["name"]: variable for variable in variables(board)}
    for name in ("job", "instance", "provider", "model"):
        variable = by_name.get(name, {})
        wanted = {"type": "query", "label": name.title(), "multi": True, "includeAll": True, "allValue": ".+"}
        wrong = {key: variable.get(key) for key, value in wanted.items() if variable.get(key) != value}
        if wrong:
            yield f"variable {name} has {wrong}"
        if variable.get("datasource", {}).get("uid") != "${datasource}":
            yield f"variable {name} asks another data source"


def template_on_time_change_reload(board: Board) -> Iterator[str]:
    for variable in variables(board):
        if variable["type"] == "query" and variable.get("refresh") != 2:
            yield f"variable {variable['name']} is not loaded again when the time range changes"


def numbered(board: Board) -> Iterator[str]:
    ids = [panel.get("id") for panel in board["panels"]]
    if None in ids or len(set(ids)) != len(ids):
        yield f"panel ids are missing or double: {ids}"


def laid_out(board: Board) -> Iterator[str]:
    taken: Counter[tuple[int, int]] = Counter()
    for panel in board["panels"]:
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{panel['title']!r} goes beyond the 24 columns"
        taken.update(
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        )
    if any(count > 1 for count in taken.values()):
        yield "panels cover each other"


def variables(board: Board) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = board["templating"]["list"]
    return found


# -- a panel -----------------------------------------------------------------------------------------


def panel_title_description(panel: dict[str, Any]) -> Iterator[str]:
    if not panel.get("title") or not panel.get("description"):
        yield "needs a title and a description"


def panel_datasource(panel: dict[str, Any]) -> Iterator[str]:
    for asking in (panel, *panel.get("targets", ())):
        if asking.get("datasource", {}).get("uid") != "${datasource}":
            yield "does not ask the data source that was chosen"


def panel_no_targets(panel: dict[str, Any]) -> Iterator[str]:
    if not panel.get("targets"):
        yield "asks nothing"


def panel_units(panel: dict[str, Any]) -> Iterator[str]:
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    if unit not in UNITS:
        yield f"has the unit {unit!r}"


def query_letters(panel: dict[str, Any]) -> Iterator[str]:
    letters = [target.get("refId") for target in panel.get("targets", ())]
    if None in letters or len(set(letters)) != len(letters):
        yield f"has queries with the letters {letters}"


def panel_links(panel: dict[str, Any]) -> Iterator[str]:
    """Links lead to our boards, or to traces by attributes that our spans have."""
    for link in panel["fieldConfig"]["defaults"].get("links", ()):
        at = urlsplit(link["url"])
        asked = set(re.findall(r"span\.([\w.]+)", unquote(at.query)))
        if at.path == "/explore":
            json.loads(parse_qs(at.query)["panes"][0])
            if strange := asked - SPAN_ATTRIBUTES:
                yield f"looks for traces by {', '.join(sorted(strange))}"
        elif at.path not in {f"/d/otel-stream-{name}" for name in ("overview", "cost", "streams")}:
            yield f"links to {link['url']}"


BOARD_RULES: tuple[Rule, ...] = (
    provisionable, uneditable_dashboard, template_datasource, template_job_instance,
    template_on_time_change_reload, numbered, laid_out,
)  # fmt: skip
PANEL_RULES: tuple[Rule, ...] = (
    panel_title_description, panel_datasource, panel_no_targets, panel_units, panel_links, query_letters,
)  # fmt: skip
