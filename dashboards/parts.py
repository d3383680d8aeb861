"""What boards are put together from: one function per kind of panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models
from promql import of, rate, total

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

WIDTH = 24  # columns of Grafana's grid
THIRD, HALF = WIDTH // 3, WIDTH // 2
STAT_HEIGHT, GRAPH_HEIGHT = 4, 9
NUMBER_PIXELS = 34  # by itself Grafana fits each number to its panel, and no two are alike

OUTCOMES = {
    "completed": "green",
    "error": "red",
    "timeout": "dark-red",
    "cancelled": "yellow",
    "abandoned": "purple",
    "incomplete": "orange",
}
"""Each with its colour, the same on all boards."""


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
    title: str,
    about: str,
    unit: str,
    expr: str,
    *,
    warn: float | None = None,
    bad: float | None = None,
) -> stat.Panel:
    """One number, to be read from afar; green, yellow, red where `warn` and `bad` say what is good."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .no_value("–")  # noqa: RUF001 - shown where there is nothing
        .thresholds(_steps(warn, bad))
        .text(common_builders.VizTextDisplayOptions().value_size(NUMBER_PIXELS))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
        .with_target(query(expr).instant())
        .height(STAT_HEIGHT)
        .span(WIDTH // 8)
    )


def lines(
    title: str,
    about: str,
    unit: str,
    *queries: prometheus.Dataquery,
    stacked: bool = False,
    width: int = THIRD,
    link: dashboard.DashboardLink | None = None,
    warn: float | None = None,
    bad: float | None = None,
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Lines over time; stacked where their sum means something. A click on one offers `link`."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .targets(list(queries))
        .line_width(1)
        .fill_opacity(30 if stacked else 6)
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
            .sort_by("Last *")
            .sort_desc(sort_desc=True)
        )
        .height(GRAPH_HEIGHT)
        .span(width)
    )
    for name, colour in (colours or {}).items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [models.DynamicConfigValue("color", fixed)])
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if link is not None:
        panel.data_links([link])
    if warn is not None:
        panel.thresholds(_steps(warn, bad)).thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def heat(
    title: str,
    about: str,
    unit: str,
    histogram: str,
    *,
    width: int = THIRD,
    link: dashboard.DashboardLink | None = None,
) -> heatmap.Panel:
    """A histogram's buckets over time: how the whole distribution moves, not one quantile of it."""
    target = query(total(rate(of(histogram + "_bucket")), "le"), "{{le}}", exemplar=True)
    panel = (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .with_target(target.format(prometheus_models.PromQueryFormat.HEATMAP))
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
        .span(width)
    )
    return panel if link is None else panel.data_links([link])


HEADINGS = {"alertname": "Alert", "otel_stream": "otel_stream", "genai_prices": "genai-prices"}


class Column(NamedTuple):
    """A column of values in a table. `decimals` None: as many as it takes. Not shown if it has no name."""

    name: str
    unit: str
    expr: str
    decimals: int | None = None


def ranking(
    title: str,
    about: str,
    by: tuple[str, ...],
    *columns: Column,
    width: int = THIRD,
    link: dashboard.DashboardLink | None = None,
    nothing: str = "–",  # noqa: RUF001
    first: str = "",
) -> table.Panel:
    """A table of values by labels, the largest of the first column on top; `nothing` where there is none.

    With `first` it is sorted by that heading instead, from A to Z. Rows of several columns that agree in the
    labels they have in common become one.
    """
    one = len(columns) == 1
    fields = ["Value"] if one else [f"Value #{letter}" for letter in "ABCDEFGH"]
    values = {field: column.name for field, column in zip(fields, columns, strict=False)}
    names = {name: HEADINGS.get(name, name.replace("_", " ").capitalize()) for name in by}
    names |= {field: name for field, name in values.items() if name}
    top = common_builders.TableSortByFieldState().display_name(first or columns[0].name).desc(desc=not first)
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(columns[0].unit)
        .no_value(nothing)
        .targets([snapshot(column.expr) for column in columns])
        .sort_by([top])
        .height(GRAPH_HEIGHT)
        .span(width)
    )
    if not one:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {field: True for field in ("Time", *values) if field not in names},
                "indexByName": {name: at for at, name in enumerate(names)},
                "renameByName": names,
            },
        )
    )
    for column in filter(lambda column: column.name, columns):
        options = {"unit": column.unit, "decimals": column.decimals}
        panel.override_by_name(
            column.name,
            [models.DynamicConfigValue(name, value) for name, value in options.items() if value is not None],
        )
    return panel if link is None else panel.data_links([link])


def coloured(**values: str) -> list[models.DynamicConfigValue]:
    """Return what gives text in a column of a table the colour of its value."""
    colours = {value: {"color": colour, "index": at} for at, (value, colour) in enumerate(values.items())}
    return [
        models.DynamicConfigValue("mappings", [{"type": "value", "options": colours}]),
        models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]


def _steps(warn: float | None, bad: float | None) -> Any:
    steps = [models.Threshold(color="light-blue" if warn is None else "green")]
    if warn is not None:
        steps.append(models.Threshold(value=warn, color="yellow"))
    if bad is not None:
        steps.append(models.Threshold(value=bad, color="red"))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
