"""The gate of queries: that they parse, keep to what was chosen, and ask for metrics and labels we export.

Beneath `board_rules`, and for the rules of alerts as well. Names are those of Grafana's dashboard-linter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import promql_parser as promql

from otel_stream.events import OUTCOMES
from otel_stream.metrics.errors import ERROR_TYPES
from otel_stream.metrics.instruments import Row

# Ranges that nobody would write, so that a query's own range is told from Grafana's.
RATE_RANGES = {timedelta(seconds=23), timedelta(seconds=307)}
VARIABLES = {"$__rate_interval": "23s", "$__range": "307s", "$__interval": "5s", "$budget": "3000"}
OF_THE_SCRAPE = {"job", "instance"}
# What Prometheus says of its own alerts. Those that sum the job away have none, so it may be missing.
OF_ALERTS = {
    name: Row(name, "gauge", "", ("alertname", "alertstate", "severity", "provider", "model"))
    for name in ("ALERTS", "ALERTS_FOR_STATE")
}
VALUES = {
    "outcome": set(OUTCOMES),
    "error_type": set(ERROR_TYPES),
    "token_type": {"input", "output"},
    "detail": {"cache_read", "cache_write", "reasoning", "audio_input", "audio_output"},
    "usage_source": {"provider", "estimated"},
    "severity": {"page", "ticket", "info"},
}


def target_problems(target: dict[str, Any], series: dict[str, Row]) -> Iterator[tuple[str, str]]:
    try:
        parsed = promql.parse(filled_in(target["expr"]))
    except ValueError as error:
        yield "target_promql", f"{target['expr']!r}: {error}"
        return
    for rule in QUERY_RULES:
        for text in rule(parsed, target, series):
            yield rule.__name__, text


def series_of(row: Row) -> tuple[str, ...]:
    """Return the names under which Prometheus knows a metric."""
    if row.kind == "histogram":
        return tuple(row.name + end for end in ("_bucket", "_sum", "_count"))
    return (row.name,)


def filled_in(expr: str) -> str:
    """Return a query as Grafana would send it with everything chosen."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return re.sub(r"\$\{\w+(:\w+)?\}|\$[a-z]\w*", ".+", expr)  # $1 is label_replace's


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


# -- the rules --------------------------------------------------------------------------------------


def target_job_instance(parsed: Any, target: Any, series: dict[str, Row]) -> Iterator[str]:
    for selector, _ in selectors(parsed):
        any_value = ".+|" if selector.name in OF_ALERTS else ".+"
        matchers = selector.matchers.matchers
        chosen = {m.name for m in matchers if m.op == promql.MatchOp.Re and m.value == any_value}
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


QUERY_RULES: tuple[Any, ...] = (
    target_job_instance, target_rate_interval, target_counter_agg, target_ours, target_legend,
)  # fmt: skip
