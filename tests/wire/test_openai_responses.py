"""The quirks of the Responses API and its compatibles."""

from __future__ import annotations

import pytest
from answers import document, streamed
from meant import meant

from otel_stream.testing import replay
from otel_stream.wire.openai_responses import OpenAIResponses

URL = "https://api.openai.com/v1/responses"
CREATED = {"type": "response.created", "response": {"id": "r-1", "model": "m-1", "status": "in_progress"}}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
}


def event(kind, **more):
    return (f"response.{kind}", {"type": f"response.{kind}", **more})


def text(delta):
    return event("output_text.delta", output_index=0, delta=delta)


def ended(kind="completed", **more):
    return event(kind, response={"id": "r-1", "status": kind, "usage": USAGE, **more})


def added(index, item):
    return event("output_item.added", output_index=index, item=item)


def done(index, item):
    return event("output_item.done", output_index=index, item=item)


FUNCTION = {"type": "function_call", "id": "fc-1", "call_id": "call-1", "name": "f", "arguments": ""}


def test_deltas_go_to_their_channels():
    deltas = [
        event("reasoning_text.delta", delta="a"),
        event("reasoning_summary_text.delta", delta="b"),
        event("refusal.delta", delta="c"),
        text("d"),
        text(""),
    ]

    found = streamed(URL, CREATED, *deltas, ended())

    assert (found.reasoning_text, found.refusal_text, found.text) == ("ab", "c", "d")
    assert (found.outcome, found.finish_reasons) == ("completed", [])


def test_usage_is_that_of_the_last_event_with_its_parts():
    usage = streamed(URL, CREATED, ended()).usage

    assert usage == {
        "input_tokens": 9,
        "output_tokens": 5,
        "cache_read_tokens": 4,
        "cache_write_tokens": 1,
        "reasoning_tokens": 2,
    }


def test_arguments_that_come_only_when_they_are_done_are_not_lost():
    """LM Studio."""
    whole = event("function_call_arguments.done", output_index=0, arguments="{}")

    found = streamed(
        URL, CREATED, added(0, FUNCTION), whole, done(0, {**FUNCTION, "arguments": "{}"}), ended()
    )

    assert found.tool_calls == [{"id": "call-1", "name": "f", "arguments": "{}"}]


def test_a_call_that_comes_only_when_it_is_done_is_not_lost():
    found = streamed(URL, CREATED, done(0, {**FUNCTION, "arguments": "{}"}), ended())

    assert found.tool_calls == [{"id": "call-1", "name": "f", "arguments": "{}"}]


def test_a_call_is_told_once_however_often_it_is_on_the_wire():
    delta = event("function_call_arguments.delta", output_index=0, item_id="other", delta="{}")
    whole = event("function_call_arguments.done", output_index=0, arguments="{}")

    found = streamed(
        URL, CREATED, added(0, FUNCTION), delta, whole, done(0, {**FUNCTION, "arguments": "{}"}), ended()
    )

    assert found.tool_calls == [{"id": "call-1", "name": "f", "arguments": "{}"}]


def test_calls_without_an_output_index_go_by_their_item():
    call = {"type": "response.output_item.added", "item_id": "fc-1", "item": FUNCTION}
    delta = {"type": "response.function_call_arguments.delta", "item_id": "fc-1", "delta": "{}"}

    found = streamed(URL, CREATED, call, delta, ended())

    assert found.tool_calls == [{"id": "call-1", "name": "f", "arguments": "{}"}]


def test_a_custom_tool_gets_its_input_as_it_is():
    item = {"type": "custom_tool_call", "call_id": "call-1", "name": "run", "input": ""}
    delta = event("custom_tool_call_input.delta", output_index=0, delta="print(1)")

    found = streamed(URL, CREATED, added(0, item), delta, done(0, {**item, "input": "print(1)"}), ended())

    assert found.tool_calls == [{"id": "call-1", "name": "run", "arguments": "print(1)"}]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws-1"},
        {"type": "tool_search_call", "call_id": "c", "arguments": {"queries": []}},
        {"type": "mcp_approval_request", "name": "f", "arguments": "{}"},
    ],
    ids=lambda item: item["type"],
)
def test_the_providers_own_tools_are_its_own_business(item):
    found = streamed(URL, CREATED, added(0, item), done(0, item), ended())

    assert (found.tool_calls, found.outcome) == ([], "completed")


def test_more_calls_than_anybody_makes_keep_no_state():
    found = streamed(URL, CREATED, *(added(n, FUNCTION) for n in range(1500)), ended())

    assert len(found.tool_calls) == 1500


def test_output_of_the_providers_tools_is_quiet():
    shell = event("shell_call_output_content.delta", delta={"stdout": "x"})
    search = event("web_search_call.in_progress", item_id="ws-1")
    patch = event("apply_patch_call_operation_diff.delta", output_index=0, delta="+x")
    compaction = event("compaction.compacting", item_id="c-1", output_index=1)

    found = meant(OpenAIResponses, CREATED, *(payload for _, payload in (shell, search, patch, compaction)))

    assert [name for name, _, _ in found.calls] == ["head"]


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("completed", "completed"),
        ("incomplete", "completed"),
        ("cancelled", "completed"),
        ("failed", "error"),
    ],
)
def test_every_last_event_ends_the_answer(kind, outcome):
    found = streamed(URL, CREATED, ended(kind), text("late"))

    assert (found.outcome, found.text, found.usage.input_tokens) == (outcome, "", 9)


def test_a_last_event_without_its_response_still_ends_the_answer():
    assert streamed(URL, CREATED, event("completed")).outcome == "completed"
    assert streamed(URL, CREATED, event("failed")).outcome == "error"


ERRORS = {
    "flat": {"type": "error", "code": "server_error", "message": "boom", "param": None},
    "in a member": {"type": "error", "error": {"code": "server_error", "message": "boom"}},
    "bare": {"error": {"code": "server_error", "message": "boom"}},
    "failed": ended("failed", error={"code": "server_error", "message": "boom"})[1],
}


@pytest.mark.parametrize("payload", ERRORS.values(), ids=ERRORS)
def test_an_error_is_told_however_it_is_said(payload):
    found = streamed(URL, CREATED, text("a"), payload)

    assert (found.outcome, found.text) == ("error", "a")
    assert found.error == {"type": None, "code": "server_error", "message": "boom"}


def test_done_ends_the_answer_where_it_is_sent():
    found = streamed(URL, CREATED, text("a"), "[DONE]")

    assert (found.outcome, found.text) == ("completed", "a")


def test_without_a_last_event_the_answer_is_incomplete():
    assert streamed(URL, CREATED, text("a")).outcome == "incomplete"


def test_what_is_not_understood_is_skipped():
    found = streamed(URL, CREATED, {"type": "response.from.the.future"}, "ping", "[1]", text("a"), ended())

    assert (found.text, found.outcome, found.response_id, found.response_model) == (
        "a",
        "completed",
        "r-1",
        "m-1",
    )


def test_events_without_their_member_are_nothing():
    events = [event("created"), event("output_item.added"), event("output_item.done"), text(None)]

    found = streamed(URL, *events, event("function_call_arguments.delta"), ended())

    assert (found.text, found.tool_calls, found.outcome) == ("", [], "completed")


def test_a_whole_answer_is_read_with_its_output():
    message = {"type": "output_text", "text": "Hi"}
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "content": [message, {"type": "refusal", "refusal": "No."}]},
        {**FUNCTION, "arguments": "{}"},
        {"type": "web_search_call", "content": [{"type": "x", "text": "not told"}]},
    ]

    found = document(
        URL,
        {"id": "r-1", "model": "m-1", "status": "completed", "error": None, "output": output, "usage": USAGE},
        request={"input": "Hello"},
    )

    assert (found.text, found.reasoning_text, found.refusal_text) == ("Hi", "hm", "No.")
    assert (found.outcome, found.usage.output_tokens, found.response_model) == ("completed", 5, "m-1")
    assert found.tool_calls == [{"id": "call-1", "name": "f", "arguments": "{}"}]


def test_a_whole_answer_may_have_failed():
    failed = {"id": "r-1", "status": "failed", "error": {"code": "server_error", "message": "boom"}}

    found = document(URL, failed, request={"input": "Hello"})

    assert (found.outcome, found.error.message) == ("error", "boom")


def test_a_whole_answer_that_failed_half_way_tells_what_it_has():
    failed = {
        "id": "r-1",
        "status": "failed",
        "error": {"code": "server_error", "message": "boom"},
        "model": "m-1",
        "output": [],
        "usage": USAGE,
    }

    found = document(URL, failed, request={"input": "Hello"})

    assert (found.outcome, found.error.message) == ("error", "boom")
    assert (found.response_id, found.response_model, found.usage.input_tokens) == ("r-1", "m-1", 9)


def test_a_whole_answer_that_is_no_object_is_skipped():
    assert document(URL, b'"text"', request={"input": "Hello"}).outcome == "incomplete"


def test_a_stored_response_is_fetched_as_a_stream():
    found = streamed(f"{URL}/resp_1?starting_after=2&stream=true", text("a"), ended(), method="GET")

    assert (found.text, found.facts.operation, found.facts.streaming) == ("a", "fetch_response", True)


def test_other_things_done_to_responses_are_no_calls():
    assert replay(url=f"{URL}/compact", request_json={"model": "m", "input": []}).recognised is False
    assert replay(url=f"{URL}/resp_1/cancel", request_json={}).recognised is False


def test_a_call_announced_twice_is_one():
    found = streamed(URL, CREATED, added(0, FUNCTION), added(0, FUNCTION), ended())

    assert found.tool_calls == [{"id": "call-1", "name": "f", "arguments": ""}]


def test_polling_a_stored_response_is_no_call():
    found = replay(url=f"{URL}/resp_1", method="GET", response_headers={"content-type": "application/json"})

    assert found.recognised is False


def test_the_request_says_how_it_is_to_be_answered():
    asked = {
        "text": {"format": {"type": "json_schema"}},
        "reasoning": {"effort": "high"},
        "max_output_tokens": 9,
    }

    attributes = streamed(URL, CREATED, ended(), request=asked).facts.attributes

    assert attributes == {
        "gen_ai.output.type": "json",
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.request.max_tokens": 9,
    }
