"""The board of whoever is on call: what is going on now, how fast, how dear, and what is wrong."""

from __future__ import annotations

from typing import Any

import links
from frame import board
from parts import HALF, OUTCOMES, Column, coloured, lines, number, query, ranking
from promql import firing_for, gained, of, part_of, quantile, rate, share, total
from shared import ENDED, by_outcome, first_token, gaps, in_flight, in_flight_by_model, stalled

FAILED = of("requests_total", 'outcome=~"error|timeout"')
CUT = of("requests_total", 'outcome=~"cancelled|abandoned|incomplete"')
CACHED = of("token_details_total", 'detail="cache_read"')
INPUT = of("tokens_total", 'token_type="input"')
COST = of("cost_usd_total")
PER_HOUR = "* 3600"

NOW = [
    in_flight(),
    number(
        "Requests per second",
        "LLM calls a second that ended, however they ended; each try at a provider is one.",
        "reqps",
        total(rate(ENDED)),
    ),
    number(
        "Error ratio",
        "Share of calls that ended as error or timeout. Callers that hang up are no errors.",
        "percentunit",
        share(total(rate(FAILED)), total(rate(ENDED))),
        warn=0.01,
        bad=0.05,
    ),
    first_token(),
    stalled(),
    number(
        "Spend per hour",
        "What an hour would cost at the present rate. Estimates of streams that ended badly are included.",
        "currencyUSD",
        f"{total(rate(COST))} {PER_HOUR}",
    ),
    number(
        "Spend",
        "Cost over the time range of this board.",
        "currencyUSD",
        total(gained(COST)),
    ),
    number(
        "Read from cache",
        "Share of the input tokens that the providers read from their prompt caches, over the time range.",
        "percentunit",
        part_of(total(gained(CACHED)), total(gained(INPUT))),
    ),
]

CALLS = [
    by_outcome("Requests per second by outcome"),
    lines(
        "Error ratio by provider",
        "Share of the calls to each provider that ended as error or timeout. One line up is that provider;"
        " all of them up is our side. The goal is 1 %; 14.4 % for an hour page.",
        "percentunit",
        query(share(total(rate(FAILED), "provider"), total(rate(ENDED), "provider")), "{{provider}}"),
        link=links.traces(
            "Failed calls to this provider",
            f'span.gen_ai.provider.name = "{links.label("provider")}"',
            "status = error",
        ),
        warn=0.01,
        bad=0.144,
    ),
    in_flight_by_model(
        links.board("How its streams flow", "otel-stream-streams", model=links.label("model"))
    ),
]

TROUBLE = [
    ranking(
        "Alerts firing",
        "Pages and tickets of the rules, and for how long their reason has been there, where this data source"
        " evaluates them. The runbook has a section for each.",
        ("severity", "alertname", "provider", "model"),
        Column("For", "s", firing_for("severity", "alertname", "provider", "model"), 0),
        width=HALF,
        nothing="none",
        first="Severity",
    ).override_by_name("Severity", coloured(page="red", ticket="orange")),
    lines(
        "Errors by type",
        "Calls a second that failed on our side of the caller. Dots are traces.",
        "reqps",
        query(total(rate(of("errors_total")), "error_type"), "{{error_type}}", exemplar=True),
        stacked=True,
        width=HALF // 2,
        link=links.traces("Traces of failed calls", "status = error"),
    ),
    lines(
        "Cancelled, cut off and stalled",
        "Calls a second whose caller hung up, whose reader went away or whose answer broke off, and gaps that"
        " were longer than the stall threshold. What was produced until then was billed.",
        "reqps",
        query(total(rate(CUT), "outcome"), "{{outcome}}"),
        query(total(rate(of("stalls_total"))), "stalls"),
        width=HALF // 2,
        link=links.board("Streams that stall and end early", "otel-stream-streams"),
        colours=OUTCOMES | {"stalls": "blue"},
    ),
]

LATENCY = [
    lines(
        "Time to first token",
        "All models, from the request to the first content, reasoning and tool calls included. Dots are"
        " traces; the streams board has it by model.",
        "s",
        query(quantile(0.5, "time_to_first_token_seconds"), "p50"),
        query(quantile(0.95, "time_to_first_token_seconds"), "p95"),
        query(quantile(0.99, "time_to_first_token_seconds"), "p99", exemplar=True),
        link=links.traces("Slow starts", "span.gen_ai.response.time_to_first_chunk > 5"),
    ),
    gaps(),
    lines(
        "Output speed, tokens per second",
        "Output tokens after the first, by the time they took: the median stream and the slowest tenth,"
        " by provider.",
        "short",
        query(f"1 / {quantile(0.5, 'time_per_output_token_seconds', 'provider')}", "{{provider}} p50"),
        query(f"1 / {quantile(0.9, 'time_per_output_token_seconds', 'provider')}", "{{provider}} p10"),
    ),
]

MONEY = [
    lines(
        "Spend per hour by model",
        "What an hour would cost at the present rate. Dots are traces.",
        "currencyUSD",
        query(f"{total(rate(COST), 'model')} {PER_HOUR}", "{{model}}", exemplar=True),
        stacked=True,
        link=links.board("Cost of this model", "otel-stream-cost", model=links.label("model")),
    ),
    ranking(
        "Spend by agent and tenant",
        "Cost over the time range. Both are 'unknown' until OTEL_STREAM_METRIC_LABELS=agent,tenant is set.",
        ("agent", "tenant"),
        Column("Spend", "currencyUSD", total(gained(COST), "agent", "tenant")),
        link=links.board(
            "Cost of this agent and tenant",
            "otel-stream-cost",
            agent=links.column("Agent"),
            tenant=links.column("Tenant"),
        ),
    ),
    lines(
        "Tokens per second by type",
        "Tokens billed. Input includes cached tokens, output includes reasoning.",
        "short",
        query(total(rate(of("tokens_total")), "token_type"), "{{token_type}}"),
        stacked=True,
    ),
]


def overview() -> Any:
    """Return the board."""
    return board(
        "otel-stream-overview",
        "LLM streams: overview",
        "Streaming LLM calls of the gateways that run otel_stream.",
        {
            "Now": NOW,
            "Calls": CALLS,
            "Trouble": TROUBLE,
            "Latency": LATENCY,
            "Money and tokens": MONEY,
        },
    )
