"""InvokeModel hands each vendor's frames to that vendor's format."""

from __future__ import annotations

import pytest
from answers import document
from aws_messages import chunk, error, event, exception, streamed

from otel_stream.testing import replay
from otel_stream.wire import BedrockInvoke
from otel_stream.wire.bedrock_text import BedrockText

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 4}}


def url(model="m", verb="invoke-with-response-stream"):
    return f"{HOST}/model/{model}/{verb}"


def asked(frames, request=None):
    return streamed(url(), *map(chunk, frames), request=request)


@pytest.mark.parametrize(
    ("verb", "request_json", "operation", "streaming"),
    [
        ("invoke-with-response-stream", {"messages": []}, "chat", True),
        ("invoke", {"messages": []}, "chat", False),
        ("invoke", {"prompt": "x"}, "text_completion", False),
        ("invoke", {"inputText": "x"}, "text_completion", False),
    ],
)
def test_a_call_is_recognised_by_its_path(verb, request_json, operation, streaming):
    facts = replay(url=url("anthropic.claude-v2%3A1", verb), request_json=request_json).facts

    assert (facts.provider, facts.model, facts.operation, facts.streaming) == (
        "aws.bedrock",
        "anthropic.claude-v2:1",
        operation,
        streaming,
    )


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("POST", url("amazon.titan-embed-text-v2:0", "invoke")),
        ("POST", url("stability.sd3-large-v1:0", "invoke")),
        ("POST", url("cohere.rerank-v3-5:0", "invoke")),
        ("GET", url()),
        ("POST", "http://localhost/functions/f/invoke"),
    ],
)
def test_models_that_do_not_answer_in_text_and_other_requests_are_left_alone(method, where):
    assert replay(url=where, method=method, request_json={"inputText": "x"}).recognised is False


@pytest.mark.parametrize(
    "body",
    [
        {"inferenceConfig": {"max_new_tokens": 9, "top_p": 0.5}},
        {"textGenerationConfig": {"maxTokenCount": 9, "topP": 0.5}},
        {"max_gen_len": 9, "top_p": 0.5},
        {"max_tokens": 9, "p": 0.5},
    ],
)
def test_each_vendors_settings_are_read(body):
    assert replay(url=url(), request_json=body).facts.attributes == {
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.top_p": 0.5,
    }


LLAMA = [
    {"generation": "a", "prompt_token_count": 5, "generation_token_count": 1, "stop_reason": None},
    {
        "generation": "b",
        "prompt_token_count": None,
        "generation_token_count": 2,
        "stop_reason": "length",
        **METRICS,
    },
]
VENDORS = {
    "anthropic": [
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5}}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "ab"}},
        {"type": "message_delta", "delta": {"stop_reason": "length"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop", **METRICS},
    ],
    "anthropic, before messages": [
        {"type": "completion", "completion": "ab", "stop_reason": "length", **METRICS}
    ],
    "nova": [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "ab"}}},
        {"messageStop": {"stopReason": "length"}},
        {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2}}, **METRICS},
    ],
    "openai and others": [
        {"choices": [{"delta": {"content": "ab"}, "index": 0, "finish_reason": "length"}], **METRICS}
    ],
    "cohere command r": [
        {"event_type": "stream-start", "generation_id": "g"},
        {"event_type": "text-generation", "text": "ab"},
        {"event_type": "stream-end", "finish_reason": "length", **METRICS},
    ],
    "cohere command": [
        {"text": "a"},
        {"text": "b"},
        {"is_finished": True, "finish_reason": "length", **METRICS},
    ],
    "llama": LLAMA,
    "titan": [
        {
            "outputText": "a",
            "index": 0,
            "totalOutputTextTokenCount": 1,
            "completionReason": None,
            "inputTextTokenCount": 5,
        },
        {
            "outputText": "b",
            "index": 1,
            "totalOutputTextTokenCount": 2,
            "completionReason": "length",
            **METRICS,
        },
    ],
    "mistral": [
        {"outputs": [{"text": "a"}]},
        {"outputs": [{"text": "b", "stop_reason": "length"}], **METRICS},
    ],
    "deepseek-r1": [
        {"choices": [{"text": "a"}]},
        {"choices": [{"text": "b", "stop_reason": "length"}], **METRICS},
    ],
}
OWN_COUNTS = {"anthropic", "nova", "llama", "titan"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_stream_is_read(vendor):
    found = asked(VENDORS[vendor])

    assert (found.text, found.finish_reasons, found.outcome) == ("ab", ["length"], "completed")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (
        (5, 2) if vendor in OWN_COUNTS else (9, 4)
    )


def test_the_services_counts_include_cached_tokens():
    counts = {
        "inputTokenCount": 5,
        "outputTokenCount": 2,
        "cacheReadInputTokenCount": 3,
        "cacheWriteInputTokenCount": 1,
    }

    usage = asked([{"text": "a", "amazon-bedrock-invocationMetrics": counts}]).usage

    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (9, 3, 1)


@pytest.mark.parametrize("counts", [{"outputTokenCount": 2}, None, 7])
def test_counts_that_are_no_counts_do_no_harm(counts):
    found = asked([{"text": "a", "amazon-bedrock-invocationMetrics": counts}])

    assert found.text == "a"
    assert found.usage is None or found.usage.input_tokens is None


@pytest.mark.parametrize(
    "last", [exception("modelTimeoutException", {"message": "late"}), error("modelTimeoutException", "late")]
)
def test_an_exception_or_error_in_the_stream_is_an_error(last):
    found = streamed(url(), chunk(LLAMA[0]), last)

    assert (found.text, found.outcome, found.error.type, found.error.message) == (
        "a",
        "error",
        "modelTimeoutException",
        "late",
    )


def test_frames_before_the_first_that_is_known_are_skipped():
    found = streamed(
        url(),
        event("initial-response", {}),
        event("new", {}),
        event("chunk", b"x"),
        chunk(b"x"),
        chunk({"what": 1}),
        chunk([1]),
        *map(chunk, LLAMA),
    )

    assert (found.text, found.outcome) == ("ab", "completed")


def test_a_stream_of_nothing_that_is_known_still_tells_its_counts():
    found = asked([{"what": 1}, {"what": 2, **METRICS}])

    assert (found.usage.input_tokens, found.outcome) == (9, "completed")


def test_a_stream_of_an_unknown_request_is_recognised_by_what_its_first_chunk_holds():
    assert streamed("https://gateway.example/ask", *map(chunk, LLAMA)).facts.format == "bedrock_invoke"
    assert streamed("https://gateway.example/ask", chunk({"records": []})).recognised is False


@pytest.mark.parametrize(
    "body",
    [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "length",
            "usage": {"input_tokens": 5, "output_tokens": 2},
        },
        {
            "output": {"message": {"content": [{"text": "Hi"}]}},
            "stopReason": "length",
            "usage": {"inputTokens": 5, "outputTokens": 2},
        },
        {"generation": "Hi", "prompt_token_count": 5, "generation_token_count": 2, "stop_reason": "length"},
        {
            "inputTextTokenCount": 5,
            "results": [{"tokenCount": 2, "outputText": "Hi", "completionReason": "length"}],
        },
        {
            "choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2},
        },
        {
            "generation_id": "g-1",
            "text": "Hi",
            "chat_history": [{"role": "USER", "message": "?"}],
            "finish_reason": "length",
            "meta": {"tokens": {"input_tokens": 5, "output_tokens": 2}},
        },
    ],
)
def test_whole_answers_are_read(body):
    found = document(url(verb="invoke"), body)

    assert (found.text, found.finish_reasons, found.outcome) == ("Hi", ["length"], "completed")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (5, 2)


def test_a_whole_answer_that_is_not_known_is_skipped():
    assert document(url(verb="invoke"), {"images": []}).outcome == "incomplete"


def test_every_dialect_of_the_table_is_there():
    assert BedrockInvoke.dialects["text"] is BedrockText
