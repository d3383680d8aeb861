"""Panels that are on more than one board; made anew each time, because a board places its panels."""

from __future__ import annotations

from typing import Any

import links
from grafana_foundation_sdk.builders import dashboard
from parts import OUTCOMES, heat, lines, number, query
from promql import of, quantile, rate, total

ENDED = of("requests_total")


def in_flight() -> Any:
    """Return the number of calls that are going on."""
    return number(
        "Streams in flight",
        "LLM calls that have begun and not ended, over all chosen processes.",
        "short",
        total(of("in_flight")),
    )


def in_flight_by_model(link: dashboard.DashboardLink | None = None) -> Any:
    """Return the calls that are going on, over time."""
    return lines(
        "Streams in flight by model",
        "LLM calls that have begun and not ended. A line that only climbs is a leak.",
        "short",
        query(total(of("in_flight"), "model"), "{{model}}"),
        stacked=True,
        link=link,
    )


def first_token() -> Any:
    """Return how long nearly everybody waits for the beginning."""
    return number(
        "First token, p95",
        "95 % of the streams had their first content (reasoning and tool calls included) within this time.",
        "s",
        quantile(0.95, "time_to_first_token_seconds"),
        warn=5,
        bad=15,
    )


def stalled() -> Any:
    """Return the number of streams that stand still."""
    return number(
        "Stalled now",
        "Open streams whose last output is older than the stall threshold (OTEL_STREAM_STALL_SECONDS).",
        "short",
        total(of("stalled")),
        warn=1,
        bad=10,
    )


def by_outcome(title: str) -> Any:
    """Return how calls end."""
    return lines(
        title,
        "LLM calls that ended. cancelled: the caller hung up; abandoned: nobody read on; incomplete: the"
        " answer broke off.",
        "reqps",
        query(total(rate(ENDED), "outcome"), "{{outcome}}"),
        stacked=True,
        link=links.traces("Traces of this outcome", f'span.otel_stream.outcome = "{links.label("outcome")}"'),
        colours=OUTCOMES,
    )


def gaps() -> Any:
    """Return the gaps between chunks of output, as a heatmap."""
    return heat(
        "Gaps between output chunks",
        "How long readers wait between two chunks of output. A band that climbs is a model that slows down.",
        "s",
        "time_per_output_chunk_seconds",
    )
