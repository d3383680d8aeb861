"""The quirks of Bedrock's agents."""

from __future__ import annotations

import pytest
from answers import document
from aws_messages import chunk, event, exception, streamed

from otel_stream.testing import replay

HOST = "https://bedrock-agent-runtime.us-east-1.amazonaws.com"
URL = f"{HOST}/agents/A1/agentAliases/L1/sessions/s%201/text"


def trace(kind="orchestrationTrace", given=None, made=None):
    output = {"modelInvocationOutput": {"metadata": {"usage": {"inputTokens": given, "outputTokens": made}}}}
    return event("trace", {"agentId": "A1", "trace": {kind: output}})


def test_a_turn_is_recognised_by_its_path():
    facts = replay(url=URL, request_json={"inputText": "Hi"}).facts

    assert (facts.provider, facts.operation, facts.model, facts.streaming) == (
        "aws.bedrock",
        "invoke_agent",
        "unknown",
        True,
    )
    assert facts.attributes == {"gen_ai.agent.id": "A1", "gen_ai.conversation.id": "s 1"}


def test_a_turn_of_an_inline_agent_is_recognised_at_amazons_host():
    facts = replay(url=f"{HOST}/agents/s1", request_json={"foundationModel": "nova"}).facts

    assert (facts.operation, facts.model, facts.attributes) == (
        "invoke_agent",
        "nova",
        {"gen_ai.conversation.id": "s1"},
    )


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", URL), ("POST", "https://api.example.com/agents/s1"), ("POST", "https://example.com/text")],
)
def test_other_requests_are_left_alone(method, url):
    assert replay(url=url, method=method, request_json={}).recognised is False


def test_the_tokens_are_the_sum_of_the_steps():
    found = streamed(
        URL,
        trace("preProcessingTrace", 5, 2),
        trace(given=7),
        event("trace", {"trace": {"orchestrationTrace": {"rationale": {"text": "Hm"}}}}),
        event("trace", {"trace": {"orchestrationTrace": {"modelInvocationOutput": {"metadata": {}}}}}),
        chunk("Köln".encode()),
        chunk(b""),
    )

    assert (found.text, found.outcome, found.usage.input_tokens, found.usage.output_tokens) == (
        "Köln",
        "completed",
        12,
        2,
    )


def test_a_body_without_a_chunk_is_incomplete():
    assert streamed(URL, trace(given=7)).outcome == "incomplete"


def test_an_agent_may_ask_for_its_functions_to_be_called():
    call = {"function": "f", "parameters": [{"name": "a", "value": "1"}]}
    control = {
        "invocationId": "i",
        "invocationInputs": [
            {"functionInvocationInput": call},
            {"apiInvocationInput": {"apiPath": "/p"}},
            {},
        ],
    }

    found = streamed(URL, event("returnControl", control))

    assert [(c["id"], c["name"], c["arguments"]) for c in found.tool_calls[:2]] == [
        ("i", "f", call["parameters"]),
        ("i", "/p", ""),
    ]
    assert found.outcome == "completed"


def test_an_exception_is_an_error_and_the_rest_is_skipped():
    found = streamed(
        URL,
        event("files", {}),
        event("new", {}),
        event("trace", b"x"),
        exception("badGatewayException", {"message": "no"}),
    )

    assert (found.outcome, found.error.type) == ("error", "badGatewayException")


def test_what_is_no_stream_is_no_answer():
    assert (
        replay(
            url=URL,
            request_json={},
            response_headers={"content-type": "text/html"},
            chunks=[b"<html>no</html>"],
        ).outcome
        == "incomplete"
    )
    assert document(URL, {"message": "no"}).outcome == "incomplete"


def test_a_chunk_of_an_unknown_request_is_left_alone():
    assert streamed("https://gateway.example/ask", chunk(b"Hi")).recognised is False
