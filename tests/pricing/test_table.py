"""genai-prices' data as tariffs, and which model a name means."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.meaning import Usage
from otel_stream.pricing import table

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def find(provider: str, *models: str):
    return table.find(table.snapshot(), provider, models)


def of_library(provider: str, model: str):
    """What the library itself finds for its own id."""
    _, found = table.snapshot().find_provider_model(model, None, provider, None)
    return table.tariff(found)


MODELS = [(provider, model) for provider in table.snapshot().providers for model in provider.models]


def is_billed_by_tokens(model) -> bool:
    rows = model.prices if isinstance(model.prices, list) else [model]
    return all(getattr(row.prices, "input_mtok", None) is not None for row in rows) and all(
        getattr(row.prices, "output_mtok", None) is not None for row in rows
    )


@given(
    st.sampled_from([pair for pair in MODELS if is_billed_by_tokens(pair[1])]),
    st.integers(0, 2_000_000),
    st.integers(0, 200_000),
    st.integers(0, 1_000_000),
    st.integers(0, 1_000_000),
)
def test_our_arithmetic_agrees_with_the_librarys(pair, plain, output, read, write):
    provider, model = pair
    counts = {
        "input_tokens": plain + read + write,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
    }

    theirs = model.calc_price(genai_prices.Usage(**counts), provider).total_price

    assert theirs == table.tariff(model).cost(Usage(**counts))


@pytest.mark.parametrize(
    ("provider", "model", "vendor", "priced_as"),
    [
        ("openai", "gpt-4o-2024-08-06", "openai", "gpt-4o"),
        ("openai", "GPT-4o", "openai", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
        ("azure.ai.openai", "gpt-4o-2024-08-06", "openai", "gpt-4o"),
        ("gcp.gemini", "models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("mistral_ai", "mistral-large-latest", "mistral", "mistral-large-latest"),
        ("x_ai", "grok-4", "x-ai", "grok-4"),
        ("groq", "llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"),
        ("deepseek", "deepseek-chat", "deepseek", "deepseek-chat"),
        ("perplexity", "sonar", "perplexity", "sonar"),
        ("cohere", "command-r-plus", "cohere", "command-r-plus"),
        ("openrouter", "openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
            "aws",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
        ),
        (
            "bedrock",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            "aws",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
        ),
    ],
)
def test_the_conventions_provider_names_reach_the_tables(provider, model, vendor, priced_as):
    found = find(provider, model)

    assert found is not None
    assert of_library(vendor, priced_as).cost(MILLION) == found.cost(MILLION)


@pytest.mark.parametrize("provider", ["openai", "our-gateway", "unknown", ""])
def test_a_gateway_under_any_name_is_priced_by_the_models_name(provider):
    """An OpenAI-compatible API on another host says nothing of who answers behind it."""
    found = find(provider, "claude-sonnet-4-5")

    assert found is not None
    assert of_library("anthropic", "claude-sonnet-4-5").cost(MILLION) == found.cost(MILLION)


def test_a_prefix_names_the_vendor_for_gateways_of_many():
    found = find("our-gateway", "groq/llama-3.3-70b-versatile")

    assert found is not None
    assert of_library("groq", "llama-3.3-70b-versatile").cost(MILLION) == found.cost(MILLION)


def test_a_vendor_with_its_own_prices_is_not_priced_as_another():
    assert find("groq", "claude-sonnet-4-5") is None


@pytest.mark.parametrize("provider", ["ollama", "vllm"])
def test_a_model_run_at_home_has_no_vendors_price(provider):
    assert find(provider, "deepseek-chat") is None


def test_the_requested_name_is_tried_when_the_answers_is_unknown():
    assert find("openai", "deployment-7", "gpt-4o") is not None


def test_unknown_models_are_not_found():
    assert find("openai", "deployment-7", "") is None


def test_a_free_model_costs_nothing_and_is_priced():
    found = find("openrouter", "deepseek/deepseek-r1:free")

    assert found is not None
    assert Decimal(0) == found.cost(MILLION)


def test_a_price_per_request_counts_one_request():
    by_request = [
        (provider, model)
        for provider, model in MODELS
        if isinstance(getattr(model.prices, "requests_kcount", None), Decimal)
    ]
    usage = Usage(input_tokens=10, output_tokens=10)

    assert by_request
    for provider, model in by_request:
        theirs = model.calc_price(genai_prices.Usage(input_tokens=10, output_tokens=10), provider).total_price
        assert theirs == table.tariff(model).cost(usage)


def test_loading_waits_for_a_fork_and_a_fork_for_loading():
    """The child of a fork in the middle of the load would wait for ever on a lock nobody holds."""
    program = """
import os
from otel_stream.pricing import table
thread = table.preload()
child = os.fork()
found = table.find(table.snapshot(), "openai", ("gpt-4o",))
if not child:
    os._exit(0 if found else 1)
thread.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_pricing_is_imported_without_the_table():
    program = "import sys, otel_stream.pricing; assert 'genai_prices' not in sys.modules"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
