"""The quirks of Gemini Interactions."""

from __future__ import annotations

import pytest
from answers import document, streamed

from otel_stream.testing import replay

URL = "https://generativelanguage.googleapis.com/v1beta/interactions"
ASKED = {"input": "Hi"}
USAGE = {
    "total_input_tokens": 5,
    "total_output_tokens": 2,
    "total_cached_tokens": 1,
    "total_tool_use_tokens": 3,
    "total_thought_tokens": 4,
    "total_tokens": 14,
}


def event(kind, **more):
    return (kind, {"event_type": kind, **more})


def delta(index=0, metadata=None, **delta):
    return event("step.delta", index=index, delta=delta, metadata=metadata)


def completed(status="completed", **more):
    return event("interaction.completed", interaction={"id": "i-1", "status": status, "usage": USAGE, **more})


CREATED = event(
    "interaction.created", interaction={"id": "i-1", "model": "gemini-2.5-flash", "status": "in_progress"}
)


@pytest.mark.parametrize(
    ("method", "url", "request_json", "operation", "streaming"),
    [
        ("POST", URL, {"model": "gemini-3", "input": "x", "stream": True}, "generate_content", True),
        ("POST", URL, {"agent": "deep-research", "input": "x"}, "invoke_agent", False),
        (
            "POST",
            "http://gateway/v1beta/interactions",
            {"model": "m", "input": "x"},
            "generate_content",
            False,
        ),
        ("GET", f"{URL}/i-1?stream=true&last_event_id=7", None, "generate_content", True),
    ],
)
def test_a_call_is_recognised(method, url, request_json, operation, streaming):
    facts = replay(url=url, method=method, request_json=request_json).facts

    assert (facts.provider, facts.operation, facts.streaming) == ("gcp.gemini", operation, streaming)


@pytest.mark.parametrize(
    ("method", "url", "request_json"),
    [
        ("GET", f"{URL}/i-1", None),
        ("POST", f"{URL}/i-1/cancel", {}),
        ("POST", f"{URL}/i-1", {}),
        ("POST", "https://discord.example/api/v10/interactions", {"type": 1}),
        ("GET", "https://example.com/interactions/7?stream=true", None),
    ],
)
def test_other_requests_are_left_alone(method, url, request_json):
    assert replay(url=url, method=method, request_json=request_json).recognised is False


def test_the_generation_config_is_read():
    config = {"temperature": 0.5, "thinking_level": "low", "max_output_tokens": 9}

    assert replay(url=URL, request_json={"generation_config": config}).facts.attributes == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.request.max_tokens": 9,
    }


def test_steps_go_to_their_channels():
    found = streamed(
        URL,
        CREATED,
        event("interaction.status_update", status="in_progress"),
        event("step.start", index=0, step={"type": "thought"}),
        delta(type="thought_summary", content={"type": "text", "text": "Hm"}),
        delta(type="thought_summary"),
        delta(type="thought_signature", signature="x"),
        event("step.stop", index=0),
        event("step.start", index=1, step={"type": "function_call", "id": "t", "name": "f", "arguments": {}}),
        delta(1, type="arguments_delta", arguments='{"a"'),
        delta(1, type="arguments_delta", arguments=": 1}"),
        delta(2, type="text", text="Hi"),
        completed("requires_action"),
        ("done", "[DONE]"),
    )

    assert (found.reasoning_text, found.text, found.response_id, found.response_model) == (
        "Hm",
        "Hi",
        "i-1",
        "gemini-2.5-flash",
    )
    assert found.tool_calls == [{"id": "t", "name": "f", "arguments": '{"a": 1}'}]
    assert (found.outcome, found.finish_reasons) == ("completed", [])


def test_the_first_version_of_the_api_is_read():
    found = streamed(
        URL,
        event("interaction.start", interaction={"id": "i-1"}),
        event("content.start", index=0, content={"type": "text"}),
        event("content.delta", index=0, delta={"type": "text", "text": "Hi"}),
        event(
            "content.delta",
            index=1,
            delta={"type": "function_call", "id": "t", "name": "f", "arguments": {"a": 1}},
        ),
        event("content.stop", index=1),
        event("interaction.complete", interaction={"status": "completed", "usage": USAGE}),
    )

    assert (found.text, found.tool_calls) == ("Hi", [{"id": "t", "name": "f", "arguments": {"a": 1}}])
    assert (found.response_id, found.outcome) == ("i-1", "completed")


def test_thoughts_count_as_output_and_tool_use_as_input():
    assert streamed(URL, CREATED, completed()).usage == {
        "input_tokens": 8,
        "output_tokens": 6,
        "cache_read_tokens": 1,
        "cache_write_tokens": None,
        "reasoning_tokens": 4,
    }


def test_a_stream_that_breaks_off_keeps_the_counts_of_its_last_step():
    found = streamed(
        URL, CREATED, delta(type="text", text="Hi", metadata={"usage": {"total_output_tokens": 2}})
    )

    assert (found.outcome, found.usage.input_tokens, found.usage.output_tokens) == ("incomplete", None, 2)


def test_usage_without_counts_is_none():
    assert (
        streamed(
            URL, CREATED, event("interaction.completed", interaction={"usage": {"total_input_tokens": 5}})
        ).usage.output_tokens
        is None
    )
    assert streamed(URL, CREATED, event("interaction.completed", interaction={"usage": {}})).usage is None


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (completed("failed", error={"code": 500, "message": "no", "status": "INTERNAL"}), "INTERNAL"),
        (completed("cancelled"), "cancelled"),
        (event("error", error={"code": "x", "message": "no"}), None),
        (event("error"), None),
    ],
)
def test_a_bad_end_is_an_error(last, kind):
    found = streamed(URL, CREATED, last)

    assert (found.outcome, found.error.type) == ("error", kind)


def test_an_interaction_that_goes_on_is_not_complete():
    assert streamed(URL, CREATED, completed("in_progress")).outcome == "incomplete"


def test_what_is_not_known_is_skipped():
    bare = [
        event(kind) for kind in ("step.start", "step.delta", "interaction.created", "interaction.completed")
    ]

    found = streamed(URL, "ping", event("new"), {}, *bare)

    assert (found.text, found.outcome) == ("", "completed")


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_event():
    assert streamed("https://gateway.example/ask", CREATED, completed()).facts.format == "gemini_interactions"
    assert streamed("https://gateway.example/ask", {"event_type": "interaction.created"}).recognised is False


@pytest.mark.parametrize("steps", ["steps", "outputs"])
def test_a_whole_answer_is_read(steps):
    made = [
        {"type": "thought", "summary": [{"type": "text", "text": "Hm"}, {"type": "image"}]},
        {"type": "model_output", "content": [{"type": "text", "text": "H"}, {"type": "image"}]},
        {"type": "text", "text": "i"},
        {"type": "function_call", "id": "t", "name": "f", "arguments": {"a": 1}},
        {"type": "model_output"},
        {"type": "google_search_call"},
    ]

    found = document(
        URL, {"id": "i-1", "model": "m", "status": "completed", "usage": USAGE, steps: made}, request=ASKED
    )

    assert (found.reasoning_text, found.text, found.outcome) == ("Hm", "Hi", "completed")
    assert found.tool_calls == [{"id": "t", "name": "f", "arguments": {"a": 1}}]
    assert document(URL, [1], request=ASKED).outcome == "incomplete"


def test_the_providers_own_tools_are_its_own_business():
    found = streamed(
        URL,
        CREATED,
        event("step.start", index=0, step={"type": "google_search_call", "id": "s-1"}),
        delta(0, type="google_search_call", arguments={"queries": ["x"]}),
        delta(1, type="mcp_server_tool_call", name="find", server_name="s", arguments={"q": 1}),
        completed(),
        request=ASKED,
    )

    assert (found.tool_calls, found.outcome) == ([], "completed")


def test_counts_of_a_step_may_be_called_total():
    found = streamed(
        URL, CREATED, delta(type="text", text="a", metadata={"total_usage": USAGE}), request=ASKED
    )

    assert (found.usage.input_tokens, found.usage.output_tokens) == (8, 6)


def test_an_answer_that_says_that_the_work_goes_on_is_complete():
    found = document(URL, {"id": "i-1", "status": "in_progress"}, request={**ASKED, "background": True})

    assert (found.response_id, found.outcome) == ("i-1", "completed")
