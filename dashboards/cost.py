"""The board of whoever pays: where the money goes, whether it will last, how far to trust the figures."""

from __future__ import annotations

from typing import Any

import links
from frame import asker_choices, board, text_choice
from parts import HALF, THIRD, Column, lines, number, query, ranking
from promql import ANY_ASKER, gained, of, part_of, rate, share, total

COST = of("cost_usd_total", ANY_ASKER)
TOKENS = of("tokens_total", ANY_ASKER)
INPUT = of("tokens_total", ANY_ASKER, 'token_type="input"')
OUTPUT = of("tokens_total", ANY_ASKER, 'token_type="output"')
ESTIMATED = of("tokens_total", ANY_ASKER, 'usage_source="estimated"')
CACHED = of("token_details_total", ANY_ASKER, 'detail="cache_read"')
REASONING = of("token_details_total", ANY_ASKER, 'detail="reasoning"')
UNREPORTED = of("usage_missing_total", 'outcome="completed"')
PER_HOUR = "* 3600"
PER_30_DAYS = "* 2592000"
MONTH = f"{total(f'rate({COST}[$__range])')} {PER_30_DAYS}"

SPEND = [
    number("Spend", "Cost over the time range of this board.", "currencyUSD", total(gained(COST))),
    number(
        "Spend per hour",
        "What an hour would cost at the present rate.",
        "currencyUSD",
        f"{total(rate(COST))} {PER_HOUR}",
    ),
    number(
        "30 days at this rate",
        "What 30 days would cost if the time range of this board went on like this.",
        "currencyUSD",
        MONTH,
    ),
    number(
        "Share of the budget",
        "That cost as a share of the budget of 30 days (the field above): beyond 100 % it will not last.",
        "percentunit",
        f"{MONTH} / $budget",
        warn=0.8,
        bad=1,
    ),
    number(
        "Budget burn now",
        "1 spends the budget of 30 days in just 30 days, 14.4 in two; 14.4 over an hour pages.",
        "none",
        f"{total(rate(COST))} {PER_30_DAYS} / $budget",
        warn=1,
        bad=14.4,
    ),
    number(
        "Tokens",
        "Tokens billed over the time range of this board, input and output.",
        "short",
        total(gained(TOKENS)),
    ),
    number(
        "Per million tokens",
        "Cost of a million tokens of input and output together, over the time range.",
        "currencyUSD",
        f"{share(total(gained(COST)), total(gained(TOKENS)))} * 1e6",
    ),
    number(
        "Read from cache",
        "Share of the input tokens that the providers read from their prompt caches, at a lower price.",
        "percentunit",
        part_of(total(gained(CACHED)), total(gained(INPUT))),
    ),
]

WHO = [
    lines(
        f"Spend per hour by {name}",
        "What an hour would cost at the present rate. Dots are traces.",
        "currencyUSD",
        query(f"{total(rate(COST), name)} {PER_HOUR}", f"{{{{{name}}}}}", exemplar=True),
        stacked=True,
        link=links.traces(f"Traces of this {name}", f'span.{attribute} = "{links.label(name)}"'),
    )
    for name, attribute in (
        ("model", "gen_ai.request.model"),
        ("agent", "otel_stream.agent_type"),
        ("tenant", "otel_stream.tenant"),
    )
]


def _columns(*by: str) -> list[Column]:
    return [
        Column("Spend", "currencyUSD", total(gained(COST), *by)),
        Column("Input tokens", "short", total(gained(INPUT), *by)),
        Column("Output tokens", "short", total(gained(OUTPUT), *by)),
        Column(
            "Per M tokens",
            "currencyUSD",
            f"{share(total(gained(COST), *by), total(gained(TOKENS), *by))} * 1e6",
        ),
    ]


TABLES = [
    ranking(
        "Models",
        "Cost and tokens over the time range.",
        ("provider", "model"),
        *_columns("provider", "model"),
        width=HALF,
        link=links.traces("Traces of this model", f'span.gen_ai.request.model = "{links.column("Model")}"'),
    ),
    ranking(
        "Agents and tenants",
        "Cost and tokens over the time range. Both are 'unknown' until OTEL_STREAM_METRIC_LABELS=agent,tenant"
        " is set.",
        ("agent", "tenant"),
        *_columns("agent", "tenant"),
        width=HALF,
        link=links.traces(
            "Traces of this agent and tenant",
            f'span.otel_stream.agent_type = "{links.column("Agent")}"',
            f'span.otel_stream.tenant = "{links.column("Tenant")}"',
        ),
    ),
]

BUDGET = [
    lines(
        "Budget burn",
        "Spend as a multiple of what the budget of 30 days allows. Alerts look at longer windows too:"
        " 14.4 over an hour or 6 over six hours page, 1 over three days is a ticket.",
        "none",
        query(f"{total(rate(COST))} {PER_30_DAYS} / $budget", "burn"),
        warn=1,
        bad=14.4,
    ),
    lines(
        "Tokens per second",
        "Tokens billed: input that was read from the cache, other input, reasoning, other output.",
        "short",
        query(total(rate(CACHED)), "input, from cache"),
        query(f"{total(rate(INPUT))} - {total(rate(CACHED))}", "input"),
        query(total(rate(REASONING)), "output, reasoning"),
        query(f"{total(rate(OUTPUT))} - {total(rate(REASONING))}", "output"),
        stacked=True,
    ),
    lines(
        "Read from cache by model",
        "Share of the input tokens that were read from the provider's prompt cache. When it falls, the bill"
        " rises.",
        "percentunit",
        query(part_of(total(rate(CACHED), "model"), total(rate(INPUT), "model")), "{{model}}"),
    ),
]

TRUST = [
    lines(
        "Spend per hour by source of the price",
        "provider: its answer told the cost. override: your price file. price_table: list prices,"
        " without discounts.",
        "currencyUSD",
        query(f"{total(rate(COST), 'cost_source')} {PER_HOUR}", "{{cost_source}}"),
        stacked=True,
    ),
    lines(
        "Tokens that are estimates",
        "Share of the tokens that no provider reported, because the stream ended too early; they are worked"
        " out from the characters seen.",
        "percentunit",
        query(
            share(total(rate(ESTIMATED), "token_type"), total(rate(TOKENS), "token_type")), "{{token_type}}"
        ),
    ),
    ranking(
        "Not in these figures",
        "Calls over the time range whose tokens have no known price; a line in the file that"
        " OTEL_STREAM_PRICES names cures it.",
        ("provider", "model", "reason"),
        Column(
            "Calls", "short", f"{total(gained(of('unpriced_total')), 'provider', 'model', 'reason')} > 0", 0
        ),
        width=THIRD,
    ),
    lines(
        "Completed without reported usage",
        "Answers a second that were completed and reported no tokens, by model. Usually the request lacks"
        " stream_options.include_usage.",
        "reqps",
        query(f"{total(rate(UNREPORTED), 'model')} > 0", "{{model}}"),
        stacked=True,
        width=HALF,
        link=links.traces(
            "Traces without usage",
            'span.otel_stream.usage_source = "none"',
            'span.otel_stream.outcome = "completed"',
        ),
    ),
    lines(
        "Spend per hour by where it was seen",
        "upstream: at the gateway's HTTP client. downstream: only where the gateway answers. foreign: in"
        " another library's span. manual: told by your own code.",
        "currencyUSD",
        query(f"{total(rate(COST), 'source')} {PER_HOUR}", "{{source}}"),
        stacked=True,
        width=HALF,
    ),
]


def cost() -> Any:
    """Return the board."""
    return board(
        "otel-stream-cost",
        "LLM streams: cost",
        "What the streaming LLM calls of the gateways cost, by model, agent and tenant.",
        {
            "Spend": SPEND,
            "Who spends": [*WHO, *TABLES],
            "Budget and tokens": BUDGET,
            "How far to trust it": TRUST,
        },
        variables=[*asker_choices(), text_choice("budget", "Budget for 30 days, USD", "3000")],
    )
