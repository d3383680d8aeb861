"""The board of whoever looks after the gateway: how streams flow, how they end, and whether we see it all."""

from __future__ import annotations

from typing import Any

import links
from frame import board
from parts import OUTCOMES, Column, heat, lines, number, query, ranking
from pipeline import PIPELINE
from promql import gained, of, quantile, rate, share, total
from shared import ENDED, by_outcome, first_token, gaps, in_flight, in_flight_by_model, stalled


def _ended(outcome: str) -> str:
    return of("requests_total", f'outcome=~"{outcome}"')


OF_THIS_MODEL = f'span.gen_ai.request.model = "{links.label("model")}"'

NOW = [
    in_flight(),
    first_token(),
    stalled(),
    number(
        "Gap, p95",
        "95 % of the gaps between two chunks of output were shorter.",
        "s",
        quantile(0.95, "time_per_output_chunk_seconds"),
        warn=1,
        bad=5,
    ),
    number(
        "Tokens per second",
        "Output speed of the median stream: output tokens after the first, by the time they took.",
        "short",
        f"1 / {quantile(0.5, 'time_per_output_token_seconds')}",
    ),
    number(
        "Hung up",
        "Share of calls whose caller went away before the end.",
        "percentunit",
        share(total(rate(_ended("cancelled|abandoned"))), total(rate(ENDED))),
        warn=0.2,
        bad=0.5,
    ),
    number(
        "Broken off",
        "Share of calls whose answer ended without a terminal: cut off on the way, by nobody's wish.",
        "percentunit",
        share(total(rate(_ended("incomplete"))), total(rate(ENDED))),
        warn=0.01,
        bad=0.05,
    ),
    number(
        "Duration, p95",
        "95 % of the calls ended within this time, however they ended.",
        "s",
        quantile(0.95, "duration_seconds"),
    ),
]

FIRST = [
    heat(
        "Time to first token",
        "All streams, from the request to the first content. Two bands are two kinds of models or prompts.",
        "s",
        "time_to_first_token_seconds",
    ),
    lines(
        "Time to first token, p95 by model",
        "Reasoning and tool calls count as content. Dots are traces.",
        "s",
        query(quantile(0.95, "time_to_first_token_seconds", "model"), "{{model}}", exemplar=True),
        link=links.traces(
            "Slow starts of this model", OF_THIS_MODEL, "span.gen_ai.response.time_to_first_chunk > 5"
        ),
        warn=5,
    ),
    lines(
        "Time to first token, p95 by provider",
        "The same by provider: all models of one slow at once is the provider, or the way to it.",
        "s",
        query(quantile(0.95, "time_to_first_token_seconds", "provider"), "{{provider}}"),
        warn=5,
    ),
]

FLOW = [
    gaps(),
    lines(
        "Gaps between output chunks, p95 by model",
        "95 % of the gaps were shorter.",
        "s",
        query(quantile(0.95, "time_per_output_chunk_seconds", "model"), "{{model}}"),
        link=links.traces("Traces of this model", OF_THIS_MODEL),
    ),
    lines(
        "Output speed, tokens per second",
        "The median stream, by model: output tokens after the first, by the time they took.",
        "short",
        query(f"1 / {quantile(0.5, 'time_per_output_token_seconds', 'model')}", "{{model}}"),
        link=links.traces("Traces of this model", OF_THIS_MODEL),
    ),
    lines(
        "Stalled now by model",
        "Open streams that have written nothing for longer than the stall threshold.",
        "short",
        query(total(of("stalled"), "model"), "{{model}}"),
        stacked=True,
        link=links.traces("Traces of this model", OF_THIS_MODEL),
    ),
    lines(
        "Stalls by model",
        "Gaps a second that were longer than the stall threshold, of streams that have ended since.",
        "count:stalls/s",
        query(total(rate(of("stalls_total")), "model"), "{{model}}"),
        stacked=True,
        link=links.traces("Traces of this model", OF_THIS_MODEL),
    ),
    in_flight_by_model(),
]

ENDS = [
    by_outcome("Ends by outcome"),
    lines(
        "Hung up by model",
        "Share of calls whose caller went away before the end. What was produced until then was billed.",
        "percentunit",
        query(
            share(total(rate(_ended("cancelled|abandoned")), "model"), total(rate(ENDED), "model")),
            "{{model}}",
        ),
        link=links.traces("Hung up on this model", OF_THIS_MODEL, 'span.otel_stream.outcome = "cancelled"'),
        warn=0.2,
    ),
    lines(
        "Duration by outcome, p95",
        "From the request to the end. Cancelled ones that last as long as completed ones are callers that"
        " give up at a limit.",
        "s",
        query(quantile(0.95, "duration_seconds", "outcome"), "{{outcome}}"),
        colours=OUTCOMES,
    ),
    ranking(
        "Errors",
        "Failed calls over the time range.",
        ("provider", "model", "error_type"),
        Column(
            "Calls", "short", f"{total(gained(of('errors_total')), 'provider', 'model', 'error_type')} > 0", 0
        ),
        link=links.traces(
            "Failed calls of this model",
            f'span.gen_ai.request.model = "{links.column("Model")}"',
            "status = error",
        ),
    ),
    lines(
        "What callers saw",
        "Requests to the gateway a second, by how they ended for whoever asked. A call that failed and was"
        " tried again with success is completed here; the panel above has both tries.",
        "reqps",
        query(total(rate(of("calls_total", process=True)), "outcome"), "{{outcome}}"),
        stacked=True,
        link=links.traces("Traces of this outcome", f'span.otel_stream.outcome = "{links.label("outcome")}"'),
        colours=OUTCOMES,
    ),
    lines(
        "Calls by where they were seen",
        "upstream: at the gateway's HTTP client. downstream: only where the gateway answers, as with a cache"
        " hit. foreign: in another library's span. manual: told by your own code.",
        "reqps",
        query(total(rate(ENDED), "source"), "{{source}}"),
        stacked=True,
    ),
]


def streams() -> Any:
    """Return the board."""
    return board(
        "otel-stream-streams",
        "LLM streams: streaming health",
        "How streaming LLM calls flow and end, and the health of otel_stream itself.",
        {
            "Now": NOW,
            "First token": FIRST,
            "Flow": FLOW,
            "Ends": ENDS,
            "Pipeline": PIPELINE,
        },
    )
