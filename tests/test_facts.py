"""What a request says of its call, whatever the API."""

from __future__ import annotations

import json

import pytest

from otel_stream.facts import MAX_NAME, facts, provider_of, settings
from otel_stream.meaning import Request


def asked(body=None, url="https://api.example.com/v1/chat"):
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", url, {}, raw)


def of(body=None, url="https://api.example.com/v1/chat", **known):
    return facts(asked(body, url), format="f", provider="house", **known)


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://x.openai.azure.com/openai/deployments/d", "azure.ai.openai"),
        ("https://x.services.ai.azure.com/models/chat", "azure.ai.inference"),
        ("https://x.services.ai.azure.com/openai/deployments/d", "azure.ai.openai"),
        ("https://generativelanguage.googleapis.com/v1", "gcp.gemini"),
        ("https://us-central1-aiplatform.googleapis.com/v1", "gcp.vertex_ai"),
        ("https://aiplatform.googleapis.com/v1", "gcp.vertex_ai"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model", "aws.bedrock"),
        ("https://us-south.ml.cloud.ibm.com/ml", "ibm.watsonx.ai"),
        ("https://api.x.ai/v1", "x_ai"),
        ("https://max.ai/v1", "house"),
        ("https://notopenai.com/v1", "house"),
        ("http://localhost:8000/v1", "house"),
        ("http://10.0.0.7/v1", "house"),
        ("not a url", "house"),
    ],
)
def test_the_host_tells_the_provider(url, provider):
    assert provider_of(asked(url=url), "house") == provider


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("https://api.example.com/v1", "api.example.com", 443),
        ("http://api.example.com/v1", "api.example.com", 80),
        ("HTTPS://api.example.com:8443/v1", "api.example.com", 8443),
        ("http://[::1]:8080/v1", "::1", 8080),
        ("/v1", None, None),
    ],
)
def test_address_and_port_are_those_of_the_url(url, address, port):
    found = of(url=url)

    assert (found.server_address, found.server_port) == (address, port)


@pytest.mark.parametrize(
    ("model", "name"), [("m", "m"), ("x" * 999, "x" * MAX_NAME), (7, "unknown"), ("", "unknown")]
)
def test_the_model_is_that_of_the_body(model, name):
    assert of({"model": model}).model == name


def test_what_the_format_knows_wins():
    found = of(
        {"model": "m", "stream": False, "seed": 7},
        model="path",
        streaming=True,
        operation="embed",
        attributes={"a": 1},
    )

    assert (found.model, found.streaming, found.operation) == ("path", True, "embed")
    assert found.attributes == {"gen_ai.request.seed": 7, "a": 1}


@pytest.mark.parametrize(
    ("body", "streaming"), [({"stream": True}, True), ({"stream": "yes"}, False), ({}, False), (None, False)]
)
def test_a_call_streams_when_the_body_says_so(body, streaming):
    assert of(body).streaming is streaming


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ({"temperature": 1, "top_p": 0.5, "top_k": 4}, {"temperature": 1.0, "top_p": 0.5, "top_k": 4}),
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"stop": None}, {}),
        ({"n": 1}, {}),
        ({"n": 3}, {"choice.count": 3}),
        ({"reasoning_effort": "low"}, {"reasoning.level": "low"}),
        ({"reasoning": {"effort": "high"}}, {"reasoning.level": "high"}),
        ({"reasoning": {"summary": "auto"}}, {}),
        ({"previous_response_id": "r"}, {"previous_response.id": "r"}),
        ({"temperature": "hot", "seed": 7.5, "top_k": True, "max_tokens": None}, {}),
    ],
)
def test_settings_become_the_conventions_attributes(body, attributes):
    assert of(body).attributes == {f"gen_ai.request.{name}": value for name, value in attributes.items()}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"response_format": {"type": "json_schema"}}, "json"),
        ({"response_format": {"type": "text"}}, "text"),
        ({"text": {"format": {"type": "json_object"}}}, "json"),
        ({"text": {"format": {"type": "text"}}}, "text"),
        ({"response_format": {"type": "grammar"}}, None),
        ({"text": "hello"}, None),
    ],
)
def test_a_format_that_was_asked_for_is_the_output_type(body, kind):
    assert of(body).attributes.get("gen_ai.output.type") == kind


def test_settings_may_stand_in_a_member_of_their_own():
    body = {"config": {"topP": 0.5, "maxTokens": 9, "temperature": "hot", "other": 1}, "other": 7}
    names = {"topP": "top_p", "maxTokens": "max_tokens", "temperature": "temperature"}

    assert settings(asked(body), "config", names) == {
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.max_tokens": 9,
    }
    assert settings(asked(body), "other", names) == settings(asked(body), "none", names) == {}


def test_the_prompt_is_measured():
    assert of({"messages": [], "prompt": "x" * 10}).prompt_characters == 14
