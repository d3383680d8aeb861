"""What boards are put together from: one function per kind of panel."""

from __future__ import annotations

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
    course: bool = True,
) -> stat.Panel:
    """One number, yellow from `warn`, red from `bad` on; its course too unless it is of the whole range."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .no_value("–")  # noqa: RUF001 - shown where there is nothing
        .thresholds(_steps(warn, bad))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.AREA if course else common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
        .with_target(query(expr) if course else query(expr).instant())
        .height(STAT_HEIGHT)
        .span(WIDTH // 6)
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
            .sort_by("Last *")
            .sort_desc(sort_desc=True)
        )
        .height(GRAPH_HEIGHT)
        .span(width)
    )
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


class Column(NamedTuple):
    """A column of values in a table. `decimals` None: as many as it takes."""

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
) -> table.Panel:
    """A table of values by labels, the largest of the first column on top."""
    one = len(columns) == 1
    values = {f"Value #{letter}": column.name for letter, column in zip("ABCDEFGH", columns, strict=False)}
    names = {name: name.replace("_", " ").capitalize() for name in by} | (
        {"Value": columns[0].name} if one else values
    )
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(columns[0].unit)
        .no_value("–")  # noqa: RUF001 - shown where there is nothing
        .targets([snapshot(column.expr) for column in columns])
        .sort_by([common_builders.TableSortByFieldState().display_name(columns[0].name).desc(desc=True)])
        .height(GRAPH_HEIGHT)
        .span(width)
    )
    if not one:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: at for at, name in enumerate(names)},
                "renameByName": names,
            },
        )
    )
    for column in columns:
        options = {"unit": column.unit, "decimals": column.decimals}
        panel.override_by_name(
            column.name,
            [models.DynamicConfigValue(name, value) for name, value in options.items() if value is not None],
        )
    return panel if link is None else panel.data_links([link])


def _steps(warn: float | None, bad: float | None) -> Any:
    steps = [models.Threshold(color="green")]
    if warn is not None:
        steps.append(models.Threshold(value=warn, color="yellow"))
    if bad is not None:
        steps.append(models.Threshold(value=bad, color="red"))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
