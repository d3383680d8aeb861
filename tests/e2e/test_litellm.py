"""The LiteLLM proxy, started as its users start it, in front of four providers' APIs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e import apis, environments
from e2e.gateway import CHAT, MESSAGES, RESPONSES, assert_the_books_agree, running

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]

KEY = "sk-0123456789abcdef0123456789abcdef"  # weaker ones, such as sk-1234, are refused
AUTHORISED = {"authorization": f"Bearer {KEY}"}

CONFIG = f"""
model_list:
- model_name: gpt
  litellm_params: {{model: openai/gpt-4o, api_base: "{{up}}/v1", api_key: k}}
- model_name: claude
  litellm_params: {{model: anthropic/claude-sonnet-4-20250514, api_base: "{{up}}", api_key: k}}
- model_name: gemini
  litellm_params: {{model: gemini/gemini-2.0-flash, api_base: "{{up}}", api_key: k}}
- model_name: bedrock
  litellm_params: &aws
    model: bedrock/converse/anthropic.claude-3-haiku-20240307-v1:0
    aws_bedrock_runtime_endpoint: "{{up}}"
    aws_access_key_id: k
    aws_secret_access_key: k
    aws_region_name: us-east-1
- model_name: bedrock-invoke
  litellm_params: {{<<: *aws, model: "bedrock/invoke/anthropic.claude-3-sonnet-20240229-v1:0"}}
- model_name: busy
  litellm_params: {{model: openai/gpt-4o, api_base: "{{up}}/conduct-refuse/v1", api_key: k}}
litellm_settings:
  num_retries: 0
  telemetry: false
  fallbacks: [{{busy: [claude]}}]
  cache: true
  cache_params: {{type: local}}
general_settings:
  master_key: {KEY}
"""

ROUTES = {
    CHAT: {
        "gpt": "openai.chat",
        "claude": "anthropic.messages",
        "gemini": "gemini.generate_content",
        "bedrock": "bedrock.converse",
        "bedrock-invoke": "bedrock.invoke",
    },
    MESSAGES: {
        "gpt": "openai.responses",
        "claude": "anthropic.messages",
        "gemini": "gemini.generate_content",
        "bedrock": "bedrock.converse",
    },
    RESPONSES: {
        "gpt": "openai.responses",
        "claude": "anthropic.messages",
        "gemini": "gemini.generate_content",
        "bedrock": "bedrock.converse",
    },
}
"""Route → model → the API that LiteLLM asks for it."""

CASES = [(path, model, api) for path, models in ROUTES.items() for model, api in models.items()]
TEXTS = {"gpt": b"square", "claude": b"organized", "gemini": b"Clementine", "bedrock": b"popular"}
"""What has come when a caller hangs up."""


@pytest.fixture(scope="module", params=[1, 2], ids=["1 worker", "2 workers"])
def litellm(request, tmp_path_factory):
    workers = request.param
    folder = tmp_path_factory.mktemp("litellm")
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    if workers > 1:
        (folder / "counters").mkdir()
        env["PROMETHEUS_MULTIPROC_DIR"] = "{folder}/counters"
    home = environments.get("litellm")
    command = [
        home.bin("opentelemetry-instrument"), "--",
        home.bin("litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", "{port}",
        "--num_workers", str(workers),
        "--timeout_worker_healthcheck", "120",  # a worker that takes more than 5 s to import it is killed
    ]  # fmt: skip
    with running(folder, command, "/health/liveliness", env=env, files={"config.yaml": CONFIG}) as gateway:
        yield gateway


def ask(gateway, *words, **more):
    return gateway.ask(*words, headers=AUTHORISED, **more)


@pytest.mark.parametrize(("path", "model", "api"), CASES)
def test_a_stream_is_seen_with_the_provider_s_usage(litellm, path, model, api):
    key = f"whole{path}/{model}".replace("/", "-")
    reply = ask(litellm, model, key, path=path)
    call = litellm.call(key)
    (started,) = call.started
    whole = apis.answer(api)

    assert (reply.status, started.agent_type, started.source) == (200, "coder", "upstream"), reply.body
    assert (call.outcomes, call.text) == (["completed"], whole.text)
    assert (call.only.input_tokens, call.only.output_tokens) == (whole.input_tokens, whole.output_tokens)
    assert call.only.cost_usd > 0
    assert litellm.upstream.wait(key, "complete")["api"] == api


def test_the_caller_need_not_be_told_of_the_usage(litellm):
    reply = ask(litellm, "gpt", "stripped")

    assert b"prompt_tokens" not in reply.body
    assert litellm.call("stripped").only.usage_source == "provider"


@pytest.mark.parametrize("model", TEXTS)
def test_a_caller_who_hangs_up_cancels_and_the_partial_tokens_are_told(litellm, model):
    key = f"left-{model}"
    ask(litellm, model, key, "hold", until=TEXTS[model])
    call = litellm.call(key)

    assert call.outcomes == ["cancelled"]
    assert (call.only.usage_source, call.only.output_tokens > 0) == ("estimated", True)
    assert litellm.upstream.wait(key, "gone")


@pytest.mark.parametrize("model", ROUTES[CHAT])
@pytest.mark.parametrize("conduct", ["fail", "reset"])
def test_what_fails_half_way_is_an_error_whatever_the_caller_is_told(litellm, model, conduct):
    key = f"{conduct}-{model}"
    reply = ask(litellm, model, key, conduct)
    call = litellm.call(key)

    assert (reply.status, call.outcomes) == (200, ["error"])
    assert call.only.output_tokens > 0


def test_a_fallback_is_a_second_attempt_of_the_same_call(litellm):
    ask(litellm, "busy", "fallback")
    call = litellm.call("fallback", streams=2)

    assert [event.provider for event in call.started] == ["openai", "anthropic"]
    assert call.outcomes == ["error", "completed"]
    assert call.ended[0].message == apis.BUSY


def test_a_refused_call_is_an_error(litellm):
    reply = ask(litellm, "gpt", "refused", "refuse")
    call = litellm.call("refused")

    assert (reply.status, call.outcomes, call.only.message) == (429, ["error"], apis.BUSY)


def test_an_answer_from_the_cache_is_a_stream_that_costs_nothing(litellm):
    """Each worker has a cache of its own, so it is asked until one of them remembers."""
    for number in range(10):
        key = f"cached-{number}"
        ask(litellm, "gpt", key, text="Say it again. [[whole cached]]")
        call = litellm.call(key)
        if call.started[0].source == "downstream":
            break

    assert (call.outcomes, call.only.cost_source, call.text) == (
        ["completed"], "cache", apis.answer("openai.chat").text,
    )  # fmt: skip


def test_the_counters_equal_what_the_provider_served(litellm):
    """Whatever was asked before is in it too."""
    calls = [
        (model, f"books-{number}-{model}", conduct)
        for number, conduct in enumerate(["whole", "whole", "fail", "refuse"])
        for model in ROUTES[CHAT]
    ]
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda call: ask(litellm, *call), calls))
    for _, key, _ in calls:
        litellm.call(key)

    assert_the_books_agree(litellm)
