"""The board of whoever is on call: what is going on now, how fast, how dear, and what is wrong."""

from __future__ import annotations

from typing import Any

from parts import board, gained, heat, lines, number, of, quantile, query, ranking, rate, share

ENDED = of("requests_total")
FAILED = of("requests_total", 'outcome=~"error|timeout"')
CUT = of("requests_total", 'outcome=~"cancelled|abandoned|incomplete"')
CACHED = of("token_details_total", 'detail="cache_read"')
INPUT = of("tokens_total", 'token_type="input"')
COST = of("cost_usd_total")
PER_HOUR = "* 3600"

NOW = [
    number(
        "Streams in flight",
        "LLM calls that have begun and not ended, over all chosen processes.",
        "short",
        f"sum({of('in_flight')})",
    ),
    number(
        "Spend per hour",
        "What an hour would cost at the present rate. Estimates of streams that ended badly are included.",
        "currencyUSD",
        f"sum({rate(COST)}) {PER_HOUR}",
    ),
    number(
        "Spend",
        "Cost over the time range of this board.",
        "currencyUSD",
        f"sum({gained(COST)})",
        course=False,
    ),
    number(
        "Error ratio",
        "Share of calls that ended as error or timeout. Callers that hang up are no errors.",
        "percentunit",
        share(f"sum({rate(FAILED)})", f"sum({rate(ENDED)})"),
        warn=0.01,
    ),
    number(
        "First token, p95",
        "95 % of the streams had their first content (reasoning and tool calls included) within this time.",
        "s",
        quantile(0.95, "time_to_first_token_seconds"),
        warn=5,
    ),
    number(
        "Read from cache",
        "Share of the input tokens that the providers read from their prompt caches, over the time range.",
        "percentunit",
        share(
            f"sum({gained(CACHED)})",
            f"sum({gained(INPUT)})",
        ),
        course=False,
    ),
]

LATENCY = [
    lines(
        "Time to first token",
        "Median and 95th percentile by model, from the request to the first content. Dots are traces.",
        "s",
        query(quantile(0.5, "time_to_first_token_seconds", "model"), "{{model}} p50", exemplar=True),
        query(quantile(0.95, "time_to_first_token_seconds", "model"), "{{model}} p95", exemplar=True),
    ),
    heat(
        "Gaps between output chunks",
        "How long readers wait between two chunks of output. A band that climbs is a model that slows down.",
        "s",
        "time_per_output_chunk_seconds",
    ),
    lines(
        "Output speed, tokens per second",
        "Median over streams, by model: output tokens after the first, by the time they took.",
        "short",
        query(f"1 / {quantile(0.5, 'time_per_output_token_seconds', 'model')}", "{{model}}"),
    ),
]

MONEY = [
    lines(
        "Spend per hour by model",
        "What an hour would cost at the present rate. Dots are traces.",
        "currencyUSD",
        query(f"sum by (model) ({rate(COST)}) {PER_HOUR}", "{{model}}", exemplar=True),
        stacked=True,
    ),
    ranking(
        "Spend by agent and tenant",
        "Cost over the time range. Both are 'unknown' until OTEL_STREAM_METRIC_LABELS=agent,tenant is set.",
        "currencyUSD",
        "Spend",
        f"sum by (agent, tenant) ({gained(COST)})",
        "agent",
        "tenant",
    ),
    lines(
        "Tokens per second by type",
        "Tokens billed. Input includes cached tokens, output includes reasoning.",
        "short",
        query(f"sum by (token_type) ({rate(of('tokens_total'))})", "{{token_type}}"),
        stacked=True,
    ),
]

TROUBLE = [
    lines(
        "Errors by type",
        "Calls a second that failed on our side of the caller. Dots are traces.",
        "ops",
        query(f"sum by (error_type) ({rate(of('errors_total'))})", "{{error_type}}", exemplar=True),
        stacked=True,
    ),
    lines(
        "Cancelled, cut off and stalled",
        "Calls a second whose caller hung up, whose reader went away or whose answer broke off, and gaps that"
        " were longer than the stall threshold. What was produced until then was billed.",
        "ops",
        query(f"sum by (outcome) ({rate(CUT)})", "{{outcome}}"),
        query(f"sum({rate(of('stalls_total'))})", "stalls"),
    ),
    lines(
        "Live events dropped by subscriber",
        "Events a slow reader of the live feed never saw. Spans and counters do not depend on it.",
        "ops",
        query(f"sum by (subscriber) ({rate(of('events_dropped_total', process=True))})", "{{subscriber}}"),
    ),
]


def overview() -> Any:
    """Return the board."""
    return board(
        "otel-stream-overview",
        "LLM streams: overview",
        "Streaming LLM calls of the gateways that run otel_stream.",
        {"Now": NOW, "Latency": LATENCY, "Money and tokens": MONEY, "Trouble": TROUBLE},
    )
