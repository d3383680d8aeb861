"""What is around the panels: the choices above every board, its rows, and the file it becomes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import links
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from parts import SOURCE

SCHEMA_VERSION = 39  # Grafana 11; later ones migrate upwards when they load it, none goes down

OF_A_STREAM = ("job", "instance", "provider", "model")
ANCHOR = "llm_stream_in_flight"  # has all these labels, from the first stream on
OF_WHO_ASKS = ("agent", "tenant")
ANCHOR_OF_WHO_ASKS = "llm_stream_cost_usd_total"


def board(
    uid: str, title: str, about: str, rows: dict[str, list[Any]], *, variables: Iterable[Any] = ()
) -> dashboard.Dashboard:
    """Return a board of rows of panels; a panel whose width finds no room goes to the next line."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([links.TAG, "llm"])
        .link(links.other_boards())
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
    )
    for variable in (*stream_choices(), *variables):
        made.with_variable(variable)
    for name, panels in rows.items():
        made.with_row(dashboard.Row(name))
        for panel in panels:
            made.with_panel(panel)
    return made


def stream_choices() -> Iterable[Any]:
    """Yield the choices every board has: where to ask, where traces are, and which streams."""
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield dashboard.DatasourceVariable("traces").label("Traces").type("tempo")
    yield from _choices(ANCHOR, OF_A_STREAM)


def asker_choices() -> Iterable[Any]:
    """Yield the choices of who asks, for boards whose metrics tell."""
    yield from _choices(ANCHOR_OF_WHO_ASKS, OF_WHO_ASKS, before=OF_A_STREAM)


def text_choice(name: str, label: str, default: str) -> Any:
    """Return a field to write into; queries use it as `$name`."""
    return dashboard.TextBoxVariable(name).label(label).default_value(default)


def _choices(anchor: str, names: Iterable[str], before: Iterable[str] = ()) -> Iterable[Any]:
    """Yield choices that each offer what those before it leave."""
    chosen = [f'{name}=~"${name}"' for name in before]
    for name in names:
        series = f"{anchor}{{{','.join(chosen)}}}" if chosen else anchor
        yield (
            dashboard.QueryVariable(name)
            .label(name.title())
            .datasource(SOURCE)
            .query({"query": f"label_values({series}, {name})", "refId": name})
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".+")
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )
        chosen.append(f'{name}=~"${name}"')


def to_json(made: dashboard.Dashboard) -> str:
    """Return the board as the text of a file that Grafana provisions.

    The builder leaves out the numbers of panels and the letters of queries, by which links name them, and
    dresses links of panels as links of boards, which since Grafana 12 hide in a menu.
    """
    content = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    content.pop("version", None)
    content.update(id=None, schemaVersion=SCHEMA_VERSION, annotations={"list": []})
    for link in content["links"]:
        del link["placement"]
    for at, panel in enumerate(content["panels"], start=1):
        panel["id"] = at
        options = panel.get("fieldConfig", {}).get("defaults", {})
        if "links" in options:
            options["links"] = [{"title": link["title"], "url": link["url"]} for link in options["links"]]
        for letter, target in zip("ABCDEFGH", panel.get("targets", ()), strict=False):
            target["refId"] = letter
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
