"""The quirks of Cohere chat, version 2."""

from __future__ import annotations

import pytest
from answers import document, streamed

from otel_stream.testing import replay

URL = "https://api.cohere.com/v2/chat"
START = (
    "message-start",
    {"id": "c-1", "type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}},
)
USAGE = {
    "billed_units": {"input_tokens": 3.0, "output_tokens": 2.0},
    "tokens": {"input_tokens": 9.0, "output_tokens": 4.0, "reasoning_tokens": 1.0},
    "cached_tokens": 5,
}


def event(kind, index=0, **message):
    return (kind, {"type": kind, "index": index, "delta": {"message": message}})


def content(**content):
    return event("content-delta", content=content)


def end(reason="COMPLETE", **more):
    return ("message-end", {"type": "message-end", "delta": {"finish_reason": reason, **more}})


@pytest.mark.parametrize(("url", "provider"), [(URL, "cohere"), ("http://gateway/cohere/v2/chat", "cohere")])
def test_a_call_is_recognised_by_its_path(url, provider):
    request = {"model": "command-a", "messages": [], "stream": True, "p": 0.5, "k": 4, "max_tokens": 9}

    facts = replay(url=url, request_json=request).facts

    assert (facts.provider, facts.model, facts.operation, facts.streaming) == (
        provider,
        "command-a",
        "chat",
        True,
    )
    assert facts.attributes == {
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.top_k": 4,
        "gen_ai.request.max_tokens": 9,
    }


@pytest.mark.parametrize(
    ("method", "url"), [("GET", URL), ("POST", "https://api.cohere.com/v2/embed"), ("POST", "https://h/chat")]
)
def test_other_requests_are_left_alone(method, url):
    assert replay(url=url, method=method, request_json={"messages": []}).recognised is False


def test_text_thinking_and_plans_are_told_apart():
    found = streamed(
        URL,
        START,
        event("content-start", content={"type": "thinking", "thinking": "H"}),
        content(thinking="m"),
        event("content-end"),
        event("tool-plan-delta", tool_plan="I will"),
        content(text="Hi"),
        content(text=""),
        event("citation-start"),
        end(),
    )

    assert [(e.channel, e.text) for e in found.events[1:-1]] == [
        ("reasoning", "H"),
        ("reasoning", "m"),
        ("tool_call", "I will"),
        ("output", "Hi"),
    ]
    assert (found.response_id, found.finish_reasons, found.outcome) == ("c-1", ["COMPLETE"], "completed")


def test_calls_come_in_pieces():
    found = streamed(
        URL,
        START,
        event("tool-call-start", 1, tool_calls={"id": "t", "function": {"name": "f", "arguments": ""}}),
        event("tool-call-delta", 1, tool_calls={"function": {"arguments": '{"a"'}}),
        event("tool-call-delta", 1, tool_calls={"function": {"arguments": ": 1}"}}),
        event("tool-call-start", 2, tool_calls={"id": "u"}),
        end("TOOL_CALL"),
    )

    assert found.tool_calls == [
        {"id": "t", "name": "f", "arguments": '{"a": 1}'},
        {"id": "u", "name": None, "arguments": ""},
    ]


def test_tokens_are_those_used_with_the_cached_ones():
    usage = streamed(URL, START, end(usage=USAGE)).usage

    assert usage == {
        "input_tokens": 9,
        "output_tokens": 4,
        "cache_read_tokens": 5,
        "cache_write_tokens": None,
        "reasoning_tokens": 1,
    }


@pytest.mark.parametrize("last", [end("ERROR", error="boom"), end("TIMEOUT"), end("COMPLETE", error="boom")])
def test_a_bad_end_is_an_error(last):
    assert streamed(URL, START, content(text="Hi"), last).outcome == "error"


def test_an_error_without_an_event_type_is_one():
    found = streamed(URL, START, {"message": "too many requests"}, end())

    assert (found.outcome, found.error.message) == ("error", "too many requests")


def test_the_end_is_the_end():
    found = streamed(URL, START, content(text="a"), end(), content(text="late"), "[DONE]")

    assert (found.text, found.outcome) == ("a", "completed")


def test_what_is_not_known_is_skipped():
    bare = [
        ("content-delta", {"type": kind, "delta": None})
        for kind in ("content-delta", "tool-plan-delta", "tool-call-delta")
    ]
    lists = [
        event("content-delta", content=[]),
        event("tool-call-delta", tool_calls=[]),
        event("tool-plan-delta"),
    ]

    found = streamed(
        URL, START, "ping", {"type": "new"}, {}, *bare, *lists, ("message-end", {"type": "message-end"})
    )

    assert (found.text, found.tool_calls, found.outcome) == ("", [], "completed")


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_event():
    assert (
        streamed("https://gateway.example/ask", START, content(text="a"), end()).facts.format == "cohere_chat"
    )
    assert streamed("https://gateway.example/ask", {"type": "message-start"}).recognised is False


def test_a_whole_answer_is_read():
    message = {
        "tool_plan": "I will",
        "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}],
        "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}],
    }

    found = document(URL, {"id": "c-1", "message": message, "finish_reason": "COMPLETE", "usage": USAGE})

    assert (found.text, found.reasoning_text, found.tool_calls[0]["name"]) == ("Hi", "Hm", "f")
    assert (found.response_id, found.usage.input_tokens, found.outcome) == ("c-1", 9, "completed")
    assert document(URL, {"id": "c-1", "message": {}}).outcome == "completed"
    assert document(URL, {"id": "c-1"}).outcome == "incomplete"
