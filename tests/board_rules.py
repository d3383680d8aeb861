"""The gate of the Grafana boards: what Grafana's own dashboard-linter checks, and that the queries fit us.

Rules go by the linter's names; they are written anew here because the linter is a Go program.
https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import promql_parser as promql

from otel_stream import semconv
from otel_stream.events import OUTCOMES
from otel_stream.metrics.errors import ERROR_TYPES
from otel_stream.metrics.instruments import Row

Board = dict[str, Any]
Rule = Callable[..., Iterable[str]]

# Ranges that nobody would write, so that a query's own range is told from Grafana's.
RATE_RANGES = {timedelta(seconds=23), timedelta(seconds=307)}
VARIABLES = {"$__rate_interval": "23s", "$__range": "307s", "$__interval": "5s", "$budget": "3000"}
UNITS = {"short", "none", "s", "ms", "percentunit", "currencyUSD", "reqps", "cps"}
OF_THE_SCRAPE = {"job", "instance"}
SPAN_ATTRIBUTES = {
    semconv.REQUEST_ID, semconv.REQUEST_MODEL, semconv.AGENT_TYPE, semconv.TENANT, semconv.OUTCOME,
    semconv.USAGE_SOURCE, semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
}  # fmt: skip
VALUES = {
    "outcome": set(OUTCOMES),
    "error_type": set(ERROR_TYPES),
    "token_type": {"input", "output"},
    "detail": {"cache_read", "cache_write", "reasoning", "audio_input", "audio_output"},
    "usage_source": {"provider", "estimated"},
}


def problems(board: Board, exported: Iterable[Row]) -> list[str]:
    """Return what is wrong with a board, each with the name of the rule; nothing for a good one."""
    series = {name: row for row in exported for name in series_of(row)}
    found = [f"{rule.__name__}: {text}" for rule in BOARD_RULES for text in rule(board)]
    for panel in panels(board):
        where = f"panel {panel.get('title')!r}"
        found += [f"{rule.__name__}: {where} {text}" for rule in PANEL_RULES for text in rule(panel)]
        for target in panel.get("targets", ()):
            found += [f"{name}: {where} {text}" for name, text in target_problems(target, series)]
    return found


def target_problems(target: dict[str, Any], series: dict[str, Row]) -> Iterator[tuple[str, str]]:
    try:
        parsed = promql.parse(filled_in(target["expr"]))
    except ValueError as error:
        yield "target_promql", f"{target['expr']!r}: {error}"
        return
    for rule in QUERY_RULES:
        for text in rule(parsed, target, series):
            yield rule.__name__, text


def metrics_on(board: Board) -> set[str]:
    """Return the names of the series a board asks for."""
    return {
        selector.name
        for panel in panels(board)
        for target in panel.get("targets", ())
        for selector, _ in selectors(promql.parse(filled_in(target["expr"])))
    }


def series_of(row: Row) -> tuple[str, ...]:
    """Return the names under which Prometheus knows a metric."""
    if row.kind == "histogram":
        return tuple(row.name + end for end in ("_bucket", "_sum", "_count"))
    return (row.name,)


def panels(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def filled_in(expr: str) -> str:
    """Return a query as Grafana would send it with everything chosen."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return re.sub(r"\$\{\w+(:\w+)?\}|\$\w+", ".+", expr)


def children(node: Any) -> list[Any]:
    if isinstance(node, promql.Call):
        return list(node.args)
    if isinstance(node, promql.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql.MatrixSelector):
        return [node.vector_selector]
    inner = getattr(node, "expr", None)
    return [] if inner is None else [inner]


def selectors(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield each vector selector with what stands around it, the outermost first."""
    if isinstance(node, promql.VectorSelector):
        yield node, above
    for child in children(node):
        yield from selectors(child, (*above, node))


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


# -- a query -----------------------------------------------------------------------------------------


def target_job_instance(parsed: Any, target: Any, series: dict[str, Row]) -> Iterator[str]:
    for selector, _ in selectors(parsed):
        chosen = {m.name for m in selector.matchers.matchers if m.op == promql.MatchOp.Re and m.value == ".+"}
        if missing := OF_THE_SCRAPE - chosen:
            yield f"{selector.name} is not limited to the chosen {', '.join(sorted(missing))}"


def target_rate_interval(parsed: Any, target: Any, series: dict[str, Row]) -> Iterator[str]:
    for selector, above in selectors(parsed):
        for outer, inner in pairwise(above):
            rated = isinstance(outer, promql.Call) and outer.func.name in ("rate", "irate")
            if rated and isinstance(inner, promql.MatrixSelector) and inner.range not in RATE_RANGES:
                yield f"{selector.name} is rated over a range of its own, not $__rate_interval or $__range"


def target_counter_agg(parsed: Any, target: Any, series: dict[str, Row]) -> Iterator[str]:
    for selector, above in selectors(parsed):
        calls = {node.func.name for node in above if isinstance(node, promql.Call)}
        cumulative = selector.name.endswith(("_total", "_bucket", "_sum", "_count"))
        if cumulative and not calls & {"rate", "irate", "increase"}:
            yield f"{selector.name} is shown as it counts since the process started"


def target_ours(parsed: Any, target: Any, series: dict[str, Row]) -> Iterator[str]:
    """Every metric, label and label value in a query is one we export."""
    for selector, above in selectors(parsed):
        row = series.get(selector.name)
        if row is None:
            yield f"{selector.name} is no metric of ours"
            continue
        labels = {*row.labels, *OF_THE_SCRAPE, *(["le"] if selector.name.endswith("_bucket") else [])}
        used = {m.name for m in selector.matchers.matchers} | grouped_by(above)
        if strange := used - labels:
            yield f"{selector.name} has no label {', '.join(sorted(strange))}"
        for matcher in selector.matchers.matchers:
            known = VALUES.get(matcher.name)
            if known and not set(matcher.value.split("|")) <= known:
                yield f"{matcher.name} is never {matcher.value}"


def target_legend(parsed: Any, target: Any, series: dict[str, Row]) -> Iterator[str]:
    named = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
    kept = {label for _, above in selectors(parsed) for label in grouped_by(above)}
    if lost := named - kept:
        yield f"the legend names {', '.join(sorted(lost))}, which the query sums away"


def grouped_by(above: Iterable[Any]) -> set[str]:
    return {
        label
        for node in above
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }


BOARD_RULES: tuple[Rule, ...] = (
    provisionable, uneditable_dashboard, template_datasource, template_job_instance,
    template_on_time_change_reload, numbered, laid_out,
)  # fmt: skip
PANEL_RULES: tuple[Rule, ...] = (
    panel_title_description, panel_datasource, panel_no_targets, panel_units, panel_links, query_letters,
)  # fmt: skip
QUERY_RULES: tuple[Rule, ...] = (
    target_job_instance, target_rate_interval, target_counter_agg, target_ours, target_legend,
)  # fmt: skip
