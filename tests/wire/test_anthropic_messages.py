"""The quirks of Messages."""

from __future__ import annotations

import pytest
from answers import document, streamed

from otel_stream.testing import replay

URL = "https://api.anthropic.com/v1/messages"
ASKED = {"messages": [], "max_tokens": 9}
START = {"type": "message_start", "message": {"id": "msg-1", "model": "m-1", "usage": {"input_tokens": 7}}}
STOP = {"type": "message_stop"}


def start(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, **piece):
    return {"type": "content_block_delta", "index": index, "delta": piece}


def end(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def answered(*events):
    return streamed(URL, START, *events, request=ASKED)


def test_text_may_stand_in_the_start_of_its_block():
    found = answered(start(0, type="text", text="a"), delta(0, type="text_delta", text="b"), end(), STOP)

    assert (found.text, found.finish_reasons, found.outcome) == ("ab", ["end_turn"], "completed")


def test_thinking_is_no_text_and_its_signature_is_nothing():
    pieces = [
        start(0, type="thinking", thinking="a"),
        delta(0, type="thinking_delta", thinking="b"),
        delta(0, type="thinking_delta", thinking=""),
        delta(0, type="signature_delta", signature="x"),
    ]

    found = answered(*pieces, end(), STOP)

    assert (found.reasoning_text, found.text) == ("ab", "")


def test_input_of_tools_comes_in_pieces_and_of_the_servers_tools_not_at_all():
    pieces = [
        start(0, type="tool_use", id="t-1", name="f", input={}),
        start(1, type="server_tool_use", id="s-1", name="web_search", input={}),
        delta(0, type="input_json_delta", partial_json='{"a"'),
        delta(1, type="input_json_delta", partial_json='{"q"'),
        delta(0, type="input_json_delta", partial_json=": 1}"),
        delta(0, type="input_json_delta", partial_json=""),
    ]

    assert answered(*pieces, end("tool_use"), STOP).tool_calls == [
        {"id": "t-1", "name": "f", "arguments": '{"a": 1}'}
    ]


def test_usage_is_cumulative_and_input_counts_the_cache_in():
    """https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/anthropic.md"""
    last = end(output_tokens=5, cache_read_input_tokens=20, cache_creation_input_tokens=3, input_tokens=None)
    last["usage"]["output_tokens_details"] = {"thinking_tokens": 2}

    assert answered(last, STOP).usage == {
        "input_tokens": 30,
        "output_tokens": 5,
        "cache_read_tokens": 20,
        "cache_write_tokens": 3,
        "reasoning_tokens": 2,
    }


def test_an_answer_whose_reader_stops_at_the_last_delta_is_complete():
    assert answered(end()).outcome == "completed"


def test_without_a_reason_to_stop_the_answer_is_incomplete():
    assert answered(delta(0, type="text_delta", text="a")).outcome == "incomplete"


@pytest.mark.parametrize("error", [{"type": "overloaded_error", "message": "busy"}, None])
def test_an_error_in_the_stream_is_one_even_without_words(error):
    found = answered({"type": "error", "error": error}, STOP)

    assert found.outcome == "error"
    assert found.error.type == (error and "overloaded_error")


def test_what_is_not_understood_is_skipped():
    odd = [{"type": "new_event"}, "no JSON", delta(0, type="new_delta"), {"type": "content_block_delta"}]
    bare = [
        {"type": "message_start"},
        {"type": "content_block_start"},
        {"type": "message_delta"},
        {"type": "ping"},
    ]

    found = answered(*odd, *bare, delta(0, type="text_delta", text=""), end(), STOP, delta(0, text="late"))

    assert (found.text, found.outcome) == ("", "completed")


def test_more_tools_than_anybody_has_keep_no_state():
    calls = [start(n, type="tool_use", id=f"t-{n}", name="f", input={"a": n}) for n in range(1500)]

    assert len(answered(*calls, end(), STOP).tool_calls) == 1500


def test_a_whole_answer_is_the_message_with_its_content():
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "t-1", "name": "f", "input": {"a": 1}},
        {"type": "redacted_thinking", "data": "x"},
    ]
    usage = {"input_tokens": 3, "output_tokens": 2}

    found = document(
        URL,
        {"id": "msg-1", "model": "m-1", "content": content, "stop_reason": "tool_use", "usage": usage},
        request=ASKED,
    )

    assert (found.text, found.reasoning_text, found.outcome) == ("Hi", "hm", "completed")
    assert found.tool_calls == [{"id": "t-1", "name": "f", "arguments": '{"a": 1}'}]
    assert (found.usage.input_tokens, found.finish_reasons) == (3, ["tool_use"])


def test_a_whole_answer_that_is_no_object_is_skipped():
    assert document(URL, [1], request=ASKED).outcome == "incomplete"


def test_vertex_has_model_and_streaming_in_the_path():
    place = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers"

    found = streamed(
        f"{place}/anthropic/models/claude-x@20250101:streamRawPredict",
        ("vertex_event", {"type": "vertex_event"}),
        START,
        STOP,
        request={**ASKED, "model": None, "stream": None},
    )

    assert (found.facts.model, found.facts.provider) == ("claude-x@20250101", "gcp.vertex_ai")
    assert (found.facts.streaming, found.outcome) == (True, "completed")
    assert replay(url=f"{place}/acme/models/x:rawPredict", request_json={"a": 1}).recognised is False
    assert replay(url=f"{place}/anthropic/models/x:rawPredict", method="PUT").recognised is False


@pytest.mark.parametrize(
    ("url", "headers", "asked", "recognised"),
    [
        ("https://api.anthropic.com/v1/messages?beta=true", {}, {}, True),
        ("http://gateway/anthropic/v1/messages", {"Anthropic-Version": "2023-06-01"}, {}, True),
        ("http://gateway/v1/messages", {}, ASKED, True),
        ("https://chat.example.com/api/messages", {}, {"text": "hello"}, False),
        ("https://chat.example.com/rooms/7:messages", {}, ASKED, False),
        ("https://api.anthropic.com/v1/messages/count_tokens", {}, ASKED, False),
    ],
)
def test_messages_are_told_from_other_peoples_messages(url, headers, asked, recognised):
    assert replay(url=url, request_headers=headers, request_json=asked).recognised is recognised
    assert replay(url=url, request_headers=headers, request_json=asked, method="GET").recognised is False


def test_a_model_that_takes_over_gave_the_answer():
    fallback = start(0, type="fallback", **{"from": {"model": "m-1"}, "to": {"model": "m-2"}})

    found = answered(fallback, start(1, type="text"), delta(1, type="text_delta", text="a"), end(), STOP)

    assert (found.response_model, found.text, found.outcome) == ("m-2", "a", "completed")
