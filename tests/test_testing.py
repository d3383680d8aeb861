"""`replay`: the public way to run recorded or made-up responses through the pipeline."""

from __future__ import annotations

import pytest

from otel_stream import testing
from otel_stream.events import Completed, Started, TextDelta
from otel_stream.testing import replay

URL = "https://api.openai.com/v1/chat/completions"
REQUEST = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
SSE = {"Content-Type": "text/event-stream"}
HELLO = (
    b'data: {"id":"chatcmpl-1","model":"gpt-4o-2024-08-06","choices":[{"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)


def test_a_stream_comes_to_events_text_and_usage():
    result = replay(url=URL, request_json=REQUEST, response_headers=SSE, chunks=[HELLO[:50], HELLO[50:]])

    assert (result.recognised, result.outcome, result.text) == (True, "completed", "Hello")
    assert [type(event) for event in result.events] == [Started, TextDelta, TextDelta, Completed]
    assert (result.response_id, result.response_model) == ("chatcmpl-1", "gpt-4o-2024-08-06")
    assert result.finish_reasons == ["stop"]
    assert result.usage == {
        "input_tokens": 9, "output_tokens": 2, "cache_read_tokens": None, "cache_write_tokens": None,
        "reasoning_tokens": None,
    }  # fmt: skip


def test_members_can_be_read_as_attributes_too():
    result = replay(url=URL, request_json=REQUEST, response_headers=SSE, chunks=[HELLO])

    assert result.usage.input_tokens == result.usage["input_tokens"] == 9
    with pytest.raises(AttributeError, match="tokens_of_gold"):
        result.usage.tokens_of_gold  # noqa: B018 - the attribute is what is tested


def test_what_is_no_llm_call_is_left_alone():
    result = replay(url="https://example.com/api/search", request_json={"q": "x"}, chunks=[b"{}"])

    assert result == testing.Replay(recognised=False)


def test_an_http_error_tells_its_type_code_and_message():
    body = b'{"error":{"type":"rate_limit_error","code":"slow_down","message":"Too fast"}}'

    result = replay(url=URL, request_json=REQUEST, status=429, chunks=[body])

    assert result.outcome == "error"
    assert result.error == {"type": "rate_limit_error", "code": "slow_down", "message": "Too fast"}


def test_a_stream_without_usage_reports_none():
    result = replay(url=URL, request_json=REQUEST, response_headers=SSE, chunks=[b"data: [DONE]\n\n"])

    assert (result.usage, result.error) == (None, None)


def test_the_facts_of_the_request_are_told():
    result = replay(url=URL, request_json=REQUEST, response_headers=SSE, chunks=[HELLO])

    assert (result.facts.provider, result.facts.model, result.facts.streaming) == ("openai", "gpt-4o", True)


def test_a_stream_of_an_unknown_address_is_recognised_by_its_first_frame():
    result = replay(
        url="http://10.0.0.7:8000/generate", request_json=REQUEST, response_headers=SSE, chunks=[HELLO]
    )

    assert (result.recognised, result.text, result.facts.model) == (True, "Hello", "gpt-4o")
