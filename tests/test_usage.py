"""Token counts of the OpenAI family and what providers say a call cost."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from otel_stream.meaning import Usage
from otel_stream.usage import ChatUsage, ResponsesUsage, chat_usage, money, responses_usage


def chat(**members):
    return chat_usage(msgspec.convert(members, ChatUsage))


def charged(raw):
    return chat_usage(msgspec.json.decode(b'{"prompt_tokens": 1, ' + raw + b"}", type=ChatUsage)).cost_usd


def test_a_chat_usage_is_read_with_its_parts():
    found = chat(
        prompt_tokens=9,
        completion_tokens=5,
        prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 1, "audio_tokens": 2},
        completion_tokens_details={"reasoning_tokens": 3, "audio_tokens": 1},
    )

    assert found == Usage(9, 5, 4, 1, 3, 2, 1)


@pytest.mark.parametrize("usage", [None, ChatUsage(), ChatUsage(total_tokens=0)])
def test_a_chat_usage_that_says_nothing_is_none(usage):
    assert chat_usage(usage) is None


@pytest.mark.parametrize("usage", [None, ResponsesUsage()])
def test_a_responses_usage_that_says_nothing_is_none(usage):
    assert responses_usage(usage) is None


@pytest.mark.parametrize(
    ("members", "output"),
    [
        ({"completion_tokens": 3, "total_tokens": 115}, 103),
        ({"completion_tokens": 103, "total_tokens": 115}, 103),
        ({"completion_tokens": 0, "total_tokens": 112}, 100),
    ],
    ids=["xAI leaves reasoning out", "OpenAI counts it in", "nothing but reasoning"],
)
def test_output_includes_reasoning_whoever_reports_it(members, output):
    found = chat(prompt_tokens=12, completion_tokens_details={"reasoning_tokens": 100}, **members)

    assert (found.output_tokens, found.reasoning_tokens) == (output, 100)


@pytest.mark.parametrize(
    "members",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_token_details": {"cached_tokens": 4}},
        {"cached_tokens": 4},
        {"prompt_cache_hit_tokens": 4},
        {"num_cached_tokens": 4},
    ],
    ids=["OpenAI", "Writer", "Together", "DeepSeek", "Mistral"],
)
def test_cache_reads_have_several_names(members):
    assert chat(prompt_tokens=9, **members).cache_read_tokens == 4


@pytest.mark.parametrize(
    "name", ["cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"]
)
def test_cache_writes_have_several_names(name):
    assert chat(prompt_tokens=9, prompt_tokens_details={name: 4}).cache_write_tokens == 4


@pytest.mark.parametrize(
    ("raw", "usd"),
    [
        (b'"cost": 0.000837', "0.000837"),
        (b'"cost": "0.5"', "0.5"),
        (b'"cost": 0', "0"),
        (b'"cost": {"input_tokens_cost": 1e-05, "total_cost": 0.006}', "0.006"),
        (b'"cost_in_usd_ticks": 1330500', "0.000133050"),
        (b'"cost": 0.01, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.2}', "0.21"),
        (b'"cost": 0.01, "is_byok": true, "cost_details": {"upstream_inference_cost": null}', "0.01"),
        (b'"cost": 0.2, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.2}', "0.2"),
    ],
)
def test_a_providers_own_figure_is_taken_exactly(raw, usd):
    assert charged(raw) == Decimal(usd)


@pytest.mark.parametrize(
    "raw",
    [
        b'"cost": null',
        b'"cost": -1',
        b'"cost": 1e999999999999999999999',
        b'"cost": "NaN"',
        b'"cost": "free"',
        b'"cost": [1]',
        b'"cost": {"total_cost": {"total_cost": {}}}',
        b'"cost": "\xc3\xa9"',
        b'"cost": 1e999999',
        b'"cost_in_usd_ticks": -5',
        b'"cost_in_usd_ticks": 1' + b"0" * 4000,
        b'"is_byok": true',
    ],
)
def test_what_is_no_amount_is_no_cost(raw):
    assert charged(raw) is None


def test_money_takes_any_bytes():
    assert money(msgspec.Raw(b"{")) is None
    assert money(msgspec.Raw(b"\xff")) is None
