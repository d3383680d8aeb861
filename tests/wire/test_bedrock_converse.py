"""The quirks of Bedrock's Converse."""

from __future__ import annotations

import pytest
from answers import document
from aws_messages import error, event, exception, streamed
from meant import meant

from otel_stream.testing import replay
from otel_stream.wire.bedrock_converse import BedrockConverse

HOST = "https://bedrock-runtime.eu-west-1.amazonaws.com"
URL = f"{HOST}/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream"
START = event("messageStart", {"role": "assistant"})


def delta(index=0, **delta):
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"})


def stop(reason="end_turn"):
    return event("messageStop", {"stopReason": reason})


def metadata(**usage):
    return event("metadata", {"usage": usage, "metrics": {"latencyMs": 7}})


@pytest.mark.parametrize(
    ("path", "model", "streaming"),
    [
        ("/model/us.amazon.nova-lite-v1:0/converse-stream", "us.amazon.nova-lite-v1:0", True),
        ("/model/meta.llama3%3A0/converse", "meta.llama3:0", False),
        ("/bedrock/model/m/converse-stream/", "m", True),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.m/converse",
            "us.anthropic.m",
            False,
        ),
    ],
)
def test_a_call_is_recognised_by_its_path(path, model, streaming):
    facts = replay(url=HOST + path, request_json={"messages": []}).facts

    assert (facts.provider, facts.model, facts.streaming, facts.operation) == (
        "aws.bedrock",
        model,
        streaming,
        "chat",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/model/m/converse"), ("POST", "/converse"), ("POST", "/model/m/count-tokens")],
)
def test_other_requests_are_left_alone(method, path):
    assert replay(url=HOST + path, method=method, request_json={}).recognised is False


def test_the_inference_config_is_read():
    config = {"temperature": 0.5, "topP": 0.9, "maxTokens": 9, "stopSequences": ["x"]}

    assert replay(url=URL, request_json={"inferenceConfig": config}).facts.attributes == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ["x"],
    }


def test_text_reasoning_and_calls_go_to_their_channels():
    found = streamed(
        URL,
        START,
        delta(reasoningContent={"text": "Hm"}),
        delta(reasoningContent={"signature": "x"}),
        delta(1, text="Hi"),
        event(
            "contentBlockStart",
            {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}},
        ),
        event("contentBlockStart", {"contentBlockIndex": 3, "start": {}}),
        delta(2, toolUse={"input": '{"a"'}),
        delta(2, toolUse={"input": ": 1}"}),
        delta(3, citation={}),
        event("contentBlockStop", {"contentBlockIndex": 2}),
        stop("tool_use"),
    )

    assert (found.reasoning_text, found.text, found.finish_reasons, found.outcome) == (
        "Hm",
        "Hi",
        ["tool_use"],
        "completed",
    )
    assert found.tool_calls == [{"id": "t", "name": "f", "arguments": '{"a": 1}'}]


def test_a_stream_without_its_stop_is_incomplete():
    assert streamed(URL, START, delta(text="Hi")).outcome == "incomplete"


def test_the_metadata_ends_a_stream_also_without_usage():
    assert streamed(URL, START, delta(text="Hi"), event("metadata", {"metrics": {}})).outcome == "completed"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, (5, 2, None, None)),
        (
            {
                "inputTokens": 5,
                "outputTokens": 2,
                "totalTokens": 21,
                "cacheReadInputTokens": 10,
                "cacheWriteInputTokens": 4,
            },
            (19, 2, 10, 4),
        ),
        (
            {"inputTokens": 19, "outputTokens": 2, "totalTokens": 21, "cacheReadInputTokens": 10},
            (19, 2, 10, None),
        ),
        ({"outputTokens": 2}, (None, 2, None, None)),
    ],
)
def test_cached_tokens_are_counted_in_unless_the_total_says_they_are(usage, tokens):
    found = streamed(URL, START, stop(), metadata(**usage)).usage

    assert (
        found.input_tokens,
        found.output_tokens,
        found.cache_read_tokens,
        found.cache_write_tokens,
    ) == tokens


@pytest.mark.parametrize(
    "last", [exception("throttlingException", {"message": "slow"}), error("throttlingException", "slow")]
)
def test_an_exception_or_error_in_the_stream_is_an_error(last):
    found = streamed(URL, START, delta(text="Hi"), last)

    assert (found.text, found.outcome, dict(found.error)) == (
        "Hi",
        "error",
        {"type": "throttlingException", "code": None, "message": "slow"},
    )


def test_what_is_not_known_is_skipped():
    found = streamed(
        URL,
        event("initial-response", {}),
        event("new", {}),
        event("metadata", b"x"),
        event("", [1]),
        delta(text=7),
        stop(),
    )

    assert (found.text, found.outcome) == ("", "completed")


def test_nova_wraps_its_events():
    usage = {
        "inputTokens": 5,
        "outputTokens": 2,
        "cacheReadInputTokenCount": 1,
        "cacheWriteInputTokenCount": 0,
    }
    found = meant(
        BedrockConverse,
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"text": "b"}}, "amazon-bedrock-guardrailAction": "NONE"},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": usage}},
        {"unheardOf": {}},
    )

    assert [name for name, *_ in found.calls] == ["delta", "delta", "finish", "usage", "done", "skip"]
    assert found.told("delta") == ["a", "b"]
    assert [(u.input_tokens, u.cache_read_tokens) for u in found.told("usage")] == [(6, 1)]


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_event():
    found = streamed("https://gateway.example/ask", START, delta(text="a"), stop())

    assert (found.recognised, found.facts.format, found.facts.provider) == (
        True,
        "bedrock_converse",
        "aws.bedrock",
    )
    assert streamed("https://kinesis.example/", event("records", {})).recognised is False


def test_a_whole_answer_is_read():
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "x"}}},
        {"text": "Hi"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
        {"image": {}},
    ]
    body = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 5, "outputTokens": 2},
    }
    url = f"{HOST}/model/m/converse"

    found = document(url, body)

    assert (found.reasoning_text, found.text, found.usage.input_tokens, found.outcome) == (
        "Hm",
        "Hi",
        5,
        "completed",
    )
    assert found.tool_calls == [{"id": "t", "name": "f", "arguments": {"a": 1}}]
    assert document(url, {"output": {}}).outcome == "completed"
    assert document(url, {"Output": {}}).outcome == document(url, [1]).outcome == "incomplete"


def test_cited_text_of_a_whole_answer_is_text():
    cited = {"citationsContent": {"content": [{"text": "b"}, {"image": {}}], "citations": [{"title": "t"}]}}
    content = [{"text": "a"}, cited, {"citationsContent": {}}]

    found = document(
        f"{HOST}/model/m/converse", {"output": {"message": {"content": content}}, "stopReason": "end_turn"}
    )

    assert (found.text, found.outcome) == ("ab", "completed")
