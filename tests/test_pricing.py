"""Who knows a price: the provider, the user's function, the user's file, the table, or nobody."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
from genai_prices import data_snapshot

from otel_stream.config import SettingError
from otel_stream.meaning import Usage
from otel_stream.pricing import MISSING_RATE, NO_TABLE, UNKNOWN_MODEL, UNPRICED, Price, Pricer, table

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def ask(pricer: Pricer, model: str = "gpt-4o", usage: Usage = MILLION, provider: str = "openai", **more: str):
    return pricer.price(
        provider=provider, model=model, request_model=more.get("request_model", model), usage=usage
    )


@pytest.fixture
def price_file(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"prices": [{"model": "gpt-4o*", "input": 1.5, "output": 2}]}', "utf-8")
    return str(path)


def test_the_table_prices_a_known_model():
    assert Price(Decimal("12.5"), "price_table") == ask(Pricer())


def test_the_cost_of_a_cached_call_agrees_with_independent_price_tables():
    """Two other products gave this figure for this call."""
    usage = Usage(input_tokens=1200, cache_read_tokens=1024, output_tokens=340)

    assert Price(Decimal("0.0007496"), "price_table") == ask(Pricer(), "gpt-5-mini", usage)


def test_what_the_provider_says_wins_over_everything(price_file):
    usage = Usage(input_tokens=10, output_tokens=10, cost_usd=Decimal("0.5"))

    assert Price(Decimal("0.5"), "provider") == ask(Pricer(price_file), usage=usage)


def test_a_provider_may_say_that_it_cost_nothing():
    assert Price(Decimal(0), "provider") == ask(Pricer(), usage=Usage(cost_usd=Decimal(0)))


@pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "-1"])
def test_nonsense_from_the_provider_is_no_price(nonsense):
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cost_usd=Decimal(nonsense))

    assert Price(Decimal("2.5"), "price_table") == ask(Pricer(), usage=usage)


def test_the_price_file_wins_over_the_table(price_file):
    assert Price(Decimal("3.5"), "override") == ask(Pricer(price_file))


def test_the_price_file_is_asked_for_the_requested_model_too(price_file):
    priced = ask(Pricer(price_file), "deployment-7", request_model="gpt-4o-prod")

    assert Price(Decimal("3.5"), "override") == priced


def test_the_users_function_wins_over_the_file(price_file):
    asked = []

    def prices(**call):
        asked.append(call)
        return Price(Decimal(7), "override")

    priced = ask(Pricer(price_file, prices))

    assert Price(Decimal(7), "override") == priced
    assert asked == [{"provider": "openai", "model": "gpt-4o", "request_model": "gpt-4o", "usage": MILLION}]


def test_a_function_that_does_not_know_leaves_it_to_the_others(price_file):
    assert Price(Decimal("3.5"), "override") == ask(Pricer(price_file, lambda **_: UNPRICED))


def test_a_function_that_raises_leaves_it_to_the_others(price_file, swallow):
    def broken(**_):
        raise RuntimeError("no prices today")

    assert Price(Decimal("3.5"), "override") == ask(Pricer(price_file, broken))


def test_an_unknown_model_is_unpriced_and_not_free():
    assert Price(None, "none", UNKNOWN_MODEL) == ask(Pricer(), "our-own-model")


def test_tokens_without_a_rate_are_unpriced(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"prices": [{"model": "embedder", "input": 0.02}]}', "utf-8")

    assert Price(None, "none", MISSING_RATE) == ask(Pricer(str(path)), "embedder")


def test_without_token_counts_there_is_nothing_to_price_and_no_reason_to_give():
    assert ask(Pricer(), usage=Usage()) == UNPRICED


def test_a_wrong_price_file_is_refused_at_start(tmp_path):
    with pytest.raises(SettingError, match="OTEL_STREAM_PRICES"):
        Pricer(str(tmp_path / "missing.json"))


def test_a_table_that_does_not_load_leaves_calls_unpriced_and_says_so_once(monkeypatch, caplog, swallow):
    def broken():
        raise ImportError("no module named genai_prices")

    monkeypatch.setattr(table, "library", table.Library())
    monkeypatch.setattr(table, "import_data", broken)
    pricer = Pricer()
    with caplog.at_level(logging.WARNING, "otel_stream"):
        priced = [ask(pricer) for _ in range(3)]

    assert [Price(None, "none", NO_TABLE)] * 3 == priced
    assert len(caplog.records) == 1


def test_a_price_asked_for_while_the_table_loads_waits_for_it(monkeypatch):
    monkeypatch.setattr(table, "library", table.Library())
    pricer = Pricer()
    pricer.preload()

    assert Price(Decimal("12.5"), "price_table") == ask(pricer)


def test_new_data_replaces_what_was_remembered():
    pricer = Pricer()
    before = ask(pricer)
    data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot(providers=[], from_auto_update=True))
    after = ask(pricer)
    data_snapshot.set_custom_snapshot(None)

    assert (Price(Decimal("12.5"), "price_table"), Price(None, "none", UNKNOWN_MODEL)) == (before, after)
    assert before == ask(pricer)


def test_the_memory_for_model_names_has_a_bound():
    """Callers choose model names: a flood of invented ones must not pile up here or in the library."""
    pricer = Pricer()
    for number in range(600):
        ask(pricer, f"invented-{number}")

    assert pricer._known.cache_info().currsize == 512
