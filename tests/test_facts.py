"""What a request says of its call."""

from __future__ import annotations

import json

import pytest

from otel_stream.facts import MAX_NAME, facts, provider_of, provider_request_id, settings
from otel_stream.meaning import Request


def asked(url="https://api.openai.com/v1/x", **body):
    return Request("POST", url, {}, json.dumps(body).encode())


def read(url="https://api.openai.com/v1/x", **body):
    return facts(asked(url, **body), format="f", provider="dialect")


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://x.openai.azure.com/openai", "azure.ai.openai"),
        ("https://x.services.ai.azure.com/models/chat", "azure.ai.inference"),
        ("https://x.services.ai.azure.com/openai/v1/responses", "azure.ai.openai"),
        ("https://models.inference.ai.azure.com/chat", "azure.ai.inference"),
        ("https://aiplatform.googleapis.com/v1", "gcp.vertex_ai"),
        ("https://us-central1-aiplatform.googleapis.com/v1", "gcp.vertex_ai"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/model", "aws.bedrock"),
        ("https://bedrock-mantle.us-east-1.api.aws/openai", "aws.bedrock"),
        ("https://api.x.ai/v1", "x_ai"),
        ("http://localhost:8000/v1", "dialect"),
        ("https://openai.com.example.com/v1", "dialect"),
        ("https://notopenai.com/v1", "dialect"),
        ("", "dialect"),
        ("http://[half", "dialect"),
    ],
)
def test_the_host_tells_the_provider_or_the_dialect_does(url, provider):
    assert provider_of(Request("POST", url, {}), "dialect") == provider


def test_a_request_tells_where_it_goes_and_what_it_asks_for():
    found = read("https://api.openai.com/v1/x", model="gpt-4o", stream=True, messages=[1])

    assert (found.model, found.streaming, found.format, found.operation) == ("gpt-4o", True, "f", "chat")
    assert (found.server_address, found.server_port) == ("api.openai.com", 443)
    assert found.prompt_characters == len("[1]")


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://h/x", 80), ("https://h:8443/x", 8443), ("unix:///x", None), ("//h:99999/x", None)],
)
def test_the_port_is_the_schemes_where_none_is_given(url, port):
    assert read(url).server_port == port


@pytest.mark.parametrize("body", [{}, {"model": 7}, {"model": None}, {"model": ""}])
def test_a_request_without_a_model_says_so(body):
    assert read(**body).model == "unknown"


def test_what_a_format_knows_better_counts():
    found = facts(
        asked(model="body", stream=False, temperature=1),
        format="f",
        provider="p",
        model="path" * 100,
        streaming=True,
        attributes={"gen_ai.agent.id": "a"},
    )

    assert (found.model, found.streaming) == (("path" * 100)[:MAX_NAME], True)
    assert found.attributes == {"gen_ai.request.temperature": 1.0, "gen_ai.agent.id": "a"}


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ({"temperature": 1}, {"gen_ai.request.temperature": 1.0}),
        ({"top_p": 0.5, "top_k": 3}, {"gen_ai.request.top_p": 0.5, "gen_ai.request.top_k": 3}),
        ({"p": 0.5, "k": 3}, {"gen_ai.request.top_p": 0.5, "gen_ai.request.top_k": 3}),
        ({"max_completion_tokens": 9}, {"gen_ai.request.max_tokens": 9}),
        ({"stop": "x"}, {"gen_ai.request.stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"gen_ai.request.stop_sequences": ["x", "y"]}),
        ({"n": 1}, {}),
        ({"n": 3}, {"gen_ai.request.choice.count": 3}),
        ({"response_format": {"type": "json_schema"}}, {"gen_ai.output.type": "json"}),
        ({"response_format": {"type": "text"}}, {"gen_ai.output.type": "text"}),
        ({"text": {"format": {"type": "json_object"}}}, {"gen_ai.output.type": "json"}),
        ({"text": {"format": {"type": "text"}}}, {"gen_ai.output.type": "text"}),
        ({"text": "something else"}, {}),
        ({"response_format": {"type": "new"}}, {}),
        ({"reasoning_effort": "low"}, {"gen_ai.request.reasoning.level": "low"}),
        ({"reasoning": {"effort": "low"}}, {"gen_ai.request.reasoning.level": "low"}),
        ({"reasoning": {"summary": "auto"}}, {}),
        ({"seed": 2**64 - 1}, {}),
        ({"temperature": "hot", "top_k": 1.5, "stop": 7, "n": "two"}, {}),
    ],
)
def test_settings_become_the_conventions_attributes(body, attributes):
    assert read(**body).attributes == attributes


def test_settings_may_stand_in_a_member_of_their_own():
    names = {"maxTokens": "max_tokens", "topK": "top_k"}
    request = asked(config={"maxTokens": 9, "topK": "three", "other": 1})

    assert settings(request, "config", names) == {"gen_ai.request.max_tokens": 9}
    assert settings(request, "missing", names) == {}


def test_the_provider_s_own_id_is_found_under_its_vendor_s_name():
    assert provider_request_id({"request-id": "req_011", "cf-ray": "9a"}) == "req_011"
    assert provider_request_id({"date": "today"}) is None
