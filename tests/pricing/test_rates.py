"""The arithmetic of money, as sums a reader can check."""

from __future__ import annotations

import decimal
from datetime import datetime
from decimal import Decimal

import pytest

from otel_stream.meaning import Usage
from otel_stream.pricing.rates import Rates, Tariff, Tiers, flat

CHEAP = Rates(input=Decimal(1), output=Decimal(4))
FULL = Rates(
    input=Decimal(10),
    output=Decimal(40),
    cache_read=Decimal(1),
    cache_write=Decimal("12.5"),
    input_audio=Decimal(100),
    output_audio=Decimal(200),
    reasoning=Decimal(80),
)


def test_tokens_cost_their_rate_per_million():
    usage = Usage(input_tokens=1000, output_tokens=500)

    assert Decimal("0.003") == CHEAP.cost(usage)


def test_cached_tokens_are_part_of_the_input_and_cost_their_own_rate():
    usage = Usage(
        input_tokens=1_000_000, output_tokens=0, cache_read_tokens=600_000, cache_write_tokens=100_000
    )

    assert Decimal(3) + Decimal("0.6") + Decimal("1.25") == FULL.cost(usage)


def test_cached_tokens_without_a_cache_rate_cost_as_much_as_other_input():
    usage = Usage(
        input_tokens=1_000_000, output_tokens=0, cache_read_tokens=600_000, cache_write_tokens=100_000
    )

    assert Decimal(1) == CHEAP.cost(usage)


def test_reasoning_without_a_rate_costs_as_much_as_other_output():
    usage = Usage(input_tokens=0, output_tokens=1_000_000, reasoning_tokens=900_000)

    assert Decimal(4) == CHEAP.cost(usage)


def test_audio_and_reasoning_cost_their_own_rates():
    usage = Usage(
        input_tokens=1_000_000,
        output_tokens=1_000_000,
        input_audio_tokens=500_000,
        output_audio_tokens=100_000,
        reasoning_tokens=200_000,
    )

    assert Decimal(5) + 50 + 20 + 16 + 28 == FULL.cost(usage)


def test_parts_larger_than_their_whole_are_paid_and_nothing_is_paid_back():
    usage = Usage(input_tokens=10, output_tokens=0, cache_read_tokens=1_000_000)

    assert Decimal(1) == FULL.cost(usage)


def test_negative_counts_cost_nothing():
    usage = Usage(input_tokens=-5, output_tokens=-5, cache_read_tokens=-5)

    assert Decimal(0) == FULL.cost(usage)


@pytest.mark.parametrize("usage", [Usage(input_tokens=1), Usage(output_tokens=1)])
def test_tokens_without_a_rate_have_no_price(usage):
    assert Rates().cost(usage) is None


def test_no_tokens_need_no_rate():
    assert Decimal(1) == Rates(input=Decimal(1)).cost(Usage(input_tokens=1_000_000, output_tokens=0))


def test_a_price_per_request_is_added():
    rates = Rates(input=Decimal(1), output=Decimal(1), request=Decimal("0.005"))

    assert Decimal("0.005001") == rates.cost(Usage(input_tokens=1, output_tokens=0))


def test_the_hosts_decimal_context_does_not_round_our_money():
    usage = Usage(input_tokens=123_456_789, output_tokens=1)

    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.Inexact])):
        cost = CHEAP.cost(usage)

    assert Decimal("123.456793") == cost


@pytest.mark.parametrize(("tokens", "rate"), [(0, 1), (200_000, 1), (200_001, 2), (500_001, 3)])
def test_a_tier_holds_for_all_tokens_of_a_request_above_its_start(tokens, rate):
    tiers = Tiers(tuple(Rates(input=Decimal(n)) for n in (1, 2, 3)), (200_000, 500_000))

    assert Rates(input=Decimal(rate)) == tiers.at(tokens)


def rows(*rows):
    return Tariff(tuple((active, Tiers((Rates(output=Decimal(price)),))) for active, price in rows))


def always(_: datetime) -> bool:
    return True


def never(_: datetime) -> bool:
    return False


@pytest.mark.parametrize(
    ("tariff", "price"),
    [
        (flat(Rates(output=Decimal(9))), 9),
        (rows((None, 1), (always, 2), (never, 3)), 2),
        (rows((None, 1), (never, 2)), 1),
        (rows((never, 1), (never, 2)), 1),
    ],
    ids=["flat", "last active", "unconditional", "none active: the first"],
)
def test_the_last_active_row_of_a_tariff_holds(tariff, price):
    assert Decimal(price) == tariff.cost(Usage(output_tokens=1_000_000))
