"""Ways out of a panel: to the traces behind what it shows, and to the other boards.

Grafana fills in `${...}`; exemplars need no link here, the data source has it (provisioning/datasources).
https://grafana.com/docs/grafana/latest/panels-visualizations/configure-data-links/
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

TAG = "otel-stream"


def traces(title: str, *conditions: str) -> dashboard.DashboardLink:
    """Return a link to the traces that meet the TraceQL conditions, in the board's time range."""
    spans = " && ".join(("span.otel_stream.request_id != nil", *conditions))
    pane = {
        "datasource": "${traces}",
        "queries": [
            {
                "refId": "A",
                "datasource": {"type": "tempo", "uid": "${traces}"},
                "queryType": "traceql",
                "query": f"{{ {spans} }}",
            }
        ],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"t": pane}, separators=(",", ":")), safe="${}_.:,")
    return (
        dashboard.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(f"/explore?schemaVersion=1&panes={panes}")
    )


def label(name: str) -> str:
    """Return what stands for a label of the series that was clicked."""
    return f"${{__field.labels.{name}}}"


def column(name: str) -> str:
    """Return what stands for a column of the row that was clicked."""
    return f'${{__data.fields["{name}"]}}'


def board(title: str, uid: str, **variables: str) -> dashboard.DashboardLink:
    """Return a link to another board, in the same time range, with variables set."""
    chosen = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return (
        dashboard.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(f"/d/{uid}?${{__url_time_range}}{chosen}")
    )


def other_boards() -> Any:
    """Return the links at the top of every board: to all of ours, keeping time and choices."""
    return (
        dashboard.DashboardLink("LLM streams")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
        .as_dropdown(as_dropdown=False)
    )
