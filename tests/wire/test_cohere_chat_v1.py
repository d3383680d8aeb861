"""The quirks of Cohere chat, version 1."""

from __future__ import annotations

import json

import pytest
from answers import document, streamed

from otel_stream.testing import replay

URL = "https://api.cohere.com/v1/chat"
META = {
    "billed_units": {"input_tokens": 3, "output_tokens": 2},
    "tokens": {"input_tokens": 9, "output_tokens": 4},
}


def event(kind, **more):
    return {"is_finished": kind == "stream-end", "event_type": kind, **more}


def lines(*events, request=None):
    return replay(
        url=URL,
        request_json=request or {"message": "Hi", "stream": True},
        response_headers={"content-type": "application/stream+json"},
        chunks=[json.dumps(event).encode() + b"\n" for event in events],
    )


START = event("stream-start", generation_id="g-1")
END = event("stream-end", finish_reason="COMPLETE", response={"generation_id": "g-1", "meta": META})


@pytest.mark.parametrize(
    ("url", "request_json"),
    [
        (URL, {}),
        ("https://production.api.cohere.ai/v1/chat", {}),
        ("http://gateway/v1/chat", {"message": "Hi"}),
    ],
)
def test_a_call_is_recognised_by_its_path_and_its_message(url, request_json):
    facts = replay(url=url, request_json=request_json).facts

    assert (facts.provider, facts.operation, facts.format) == ("cohere", "chat", "cohere_chat_v1")


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", URL), ("POST", "http://gateway/v1/chat"), ("POST", "https://api.cohere.com/chat")],
)
def test_other_requests_are_left_alone(method, url):
    assert replay(url=url, method=method, request_json={"messages": []}).recognised is False


def test_a_stream_is_read():
    found = lines(
        START, event("text-generation", text="a"), event("text-generation"), event("citation-generation"), END
    )

    assert (found.text, found.response_id, found.finish_reasons, found.outcome) == (
        "a",
        "g-1",
        ["COMPLETE"],
        "completed",
    )
    assert (found.usage.input_tokens, found.usage.output_tokens) == (9, 4)


def test_calls_come_whole():
    found = lines(
        START, event("tool-calls-generation", tool_calls=[{"name": "f", "parameters": {"a": 1}}]), END
    )

    assert found.tool_calls == [{"id": None, "name": "f", "arguments": {"a": 1}}]


def test_calls_in_pieces_are_not_counted_again_when_they_come_whole():
    found = lines(
        START,
        event("tool-calls-chunk", text="I will"),
        event("tool-calls-chunk", tool_call_delta={"index": 0, "name": "f"}),
        event("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": '{"a"'}),
        event("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": ": 1}"}),
        event("tool-calls-chunk"),
        event("tool-calls-generation", tool_calls=[{"name": "f", "parameters": {"a": 1}}]),
        END,
    )

    assert found.tool_calls == [{"id": None, "name": "f", "arguments": '{"a": 1}'}]
    assert [(e.channel, e.text) for e in found.events[1:3]] == [("tool_call", "I will"), ("tool_call", "")]


@pytest.mark.parametrize("reason", ["ERROR", "ERROR_TOXIC", "ERROR_LIMIT"])
def test_a_bad_end_is_an_error(reason):
    found = lines(START, event("stream-end", finish_reason=reason, error="boom"))

    assert (found.outcome, found.error.message, found.finish_reasons) == ("error", "boom", [reason])


def test_an_error_line_is_one_and_what_is_not_known_is_skipped():
    found = lines(START, [1], event("new"), {}, {"message": "trial key"})

    assert (found.outcome, found.error.message) == ("error", "trial key")


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_event():
    assert (
        streamed("https://gateway.example/ask", START, event("text-generation", text="a"), END).facts.format
        == "cohere_chat_v1"
    )
    assert streamed("https://gateway.example/ask", {"name": "stream-start"}).recognised is False


def test_a_whole_answer_is_read():
    answer = {
        "generation_id": "g",
        "text": "Hi",
        "finish_reason": "COMPLETE",
        "meta": META,
        "tool_calls": [{"name": "f"}],
    }

    found = document(URL, answer)

    assert (found.text, found.response_id, found.usage.output_tokens, found.outcome) == (
        "Hi",
        "g",
        4,
        "completed",
    )
    assert found.tool_calls == [{"id": None, "name": "f", "arguments": ""}]
    assert document(URL, {}).outcome == "completed"
    assert document(URL, [1]).outcome == "incomplete"
