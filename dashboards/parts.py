"""What boards are put together from: one function per kind of panel, and the variables all boards share.

Every query carries the board's variables, so that a panel cannot show more than was chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

SCHEMA_VERSION = 39  # Grafana 11; later ones migrate upwards when they load it, none goes down
SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

ANY_STREAM = 'job=~"$job",instance=~"$instance",provider=~"$provider",model=~"$model"'
ANY_PROCESS = 'job=~"$job",instance=~"$instance"'

ANCHOR = "llm_stream_in_flight"  # has all labels the variables offer, from the first stream on
WIDTH = 24  # columns of Grafana's grid
STAT_HEIGHT, GRAPH_HEIGHT = 4, 8


def of(metric: str, *more: str, process: bool = False) -> str:
    """Return a selector of `llm_stream_<metric>` for what the variables choose, with further matchers."""
    return f"llm_stream_{metric}{{{','.join((ANY_PROCESS if process else ANY_STREAM, *more))}}}"


def rate(selector: str) -> str:
    """Return the per-second rate, over a range that always holds at least four scrapes."""
    return f"rate({selector}[$__rate_interval])"


def gained(selector: str) -> str:
    """Return the increase over the board's time range."""
    return f"increase({selector}[$__range])"


def share(part: str, whole: str) -> str:
    """Return part of whole; nothing, instead of a division by 0, while there is none."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, histogram: str, *by: str) -> str:
    """Return the quantile of a histogram, by labels."""
    return f"histogram_quantile({q}, sum by ({', '.join(('le', *by))}) ({rate(of(histogram + '_bucket'))}))"


def query(expr: str, legend: str = "", *, exemplar: bool = False) -> prometheus.Dataquery:
    """Return a query over the board's time range; `legend` may name labels as {{label}}."""
    made = prometheus.Dataquery().datasource(SOURCE).expr(expr).range().legend_format(legend or "__auto")
    return made.exemplar(exemplar=True) if exemplar else made


def snapshot(expr: str) -> prometheus.Dataquery:
    """Return a query of one value, at the end of the time range, as a table."""
    return (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(expr)
        .instant()
        .format(prometheus_models.PromQueryFormat.TABLE)
    )


def number(
    title: str, about: str, unit: str, expr: str, *, warn: float | None = None, course: bool = True
) -> stat.Panel:
    """One number, yellow from `warn` on, with its course unless it is a total over the time range."""
    steps = [models.Threshold(color="green")]
    if warn is not None:
        steps.append(models.Threshold(value=warn, color="yellow"))
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .no_value("–")  # noqa: RUF001 - shown where there is nothing
        .thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.AREA if course else common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
        .with_target(query(expr) if course else query(expr).instant())
        .height(STAT_HEIGHT)
        .span(WIDTH // 6)
    )


def lines(title: str, about: str, unit: str, *queries: prometheus.Dataquery, stacked: bool = False) -> Any:
    """Lines over time; stacked where their sum means something."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .targets(list(queries))
        .line_width(1)
        .fill_opacity(30 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
        .height(GRAPH_HEIGHT)
        .span(WIDTH // 3)
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    return panel


def heat(title: str, about: str, unit: str, histogram: str) -> heatmap.Panel:
    """A histogram's buckets over time: how the whole distribution moves, not one quantile of it."""
    expr = f"sum by (le) ({rate(of(histogram + '_bucket'))})"
    target = query(expr, "{{le}}").format(prometheus_models.PromQueryFormat.HEATMAP)
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .with_target(target)
        .calculate(calculate=False)
        .cell_gap(1)
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(common.AxisPlacement.LEFT))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .scheme("Turbo")
            .steps(64)
        )
        .height(GRAPH_HEIGHT)
        .span(WIDTH // 3)
    )


def ranking(title: str, about: str, unit: str, value: str, expr: str, *columns: str) -> table.Panel:
    """A table of one value, under that name, by labels; the largest first."""
    order = {name: at for at, name in enumerate((*columns, "Value"))}
    tidy = models.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": order,
            "renameByName": {"Value": value, **{name: name.capitalize() for name in columns}},
        },
    )
    return (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .with_target(snapshot(expr))
        .with_transformation(tidy)
        .sort_by([common_builders.TableSortByFieldState().display_name(value).desc(desc=True)])
        .height(GRAPH_HEIGHT)
        .span(WIDTH // 3)
    )


def variables() -> Iterable[Any]:
    """Yield the choices above every board, each offering what those before it leave."""
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    chosen: list[str] = []
    for name in ("job", "instance", "provider", "model"):
        anchor = f"{ANCHOR}{{{','.join(chosen)}}}" if chosen else ANCHOR
        values = f"label_values({anchor}, {name})"
        yield (
            dashboard.QueryVariable(name)
            .label(name.title())
            .datasource(SOURCE)
            .query({"query": values, "refId": name})
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".+")
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )
        chosen.append(f'{name}=~"${name}"')


def board(uid: str, title: str, about: str, rows: dict[str, list[Any]]) -> dashboard.Dashboard:
    """Return a board of rows of panels; a panel whose width finds no room goes to the next line."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["otel-stream", "llm"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
    )
    for variable in variables():
        made.with_variable(variable)
    for name, panels in rows.items():
        made.with_row(dashboard.Row(name))
        for panel in panels:
            made.with_panel(panel)
    return made


def to_json(made: dashboard.Dashboard) -> str:
    """Return the board as the text of a file that Grafana provisions.

    The builder leaves out the numbers of panels and the letters of queries, by which links name them.
    """
    content = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    content.pop("version", None)
    content.update(id=None, schemaVersion=SCHEMA_VERSION, annotations={"list": []})
    for at, panel in enumerate(content["panels"], start=1):
        panel["id"] = at
        for letter, target in zip("ABCDEFGH", panel.get("targets", ()), strict=False):
            target["refId"] = letter
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
