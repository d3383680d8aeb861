"""The events of a run."""

from __future__ import annotations

import pytest
from answers import document, streamed

from otel_stream.testing import replay

URL = "https://api.openai.com/v1/threads/thread_1/runs"
ASKED = {"assistant_id": "asst_1", "model": None}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_token_details": {"cached_tokens": 5}}
DONE = ("done", "[DONE]")


def run(state, **more):
    return (f"thread.run.{state}", {"id": "run_1", "object": "thread.run", "model": "m-1", **more})


def message(**part):
    return ("thread.message.delta", {"id": "msg_1", "delta": {"content": [{"index": 0, **part}]}})


def step(*calls):
    details = {"step_details": {"type": "tool_calls", "tool_calls": list(calls)}}
    return ("thread.run.step.delta", {"id": "step_1", "delta": details})


def test_text_usage_and_head_of_a_run():
    events = [
        run("created"),
        ("thread.message.created", {"id": "msg_1"}),
        message(type="text", text={"value": "Hi"}),
        message(type="refusal", refusal="No."),
        run("completed", usage=USAGE),
        DONE,
    ]

    found = streamed(URL, *events, request=ASKED)

    assert (found.text, found.refusal_text, found.outcome) == ("Hi", "No.", "completed")
    assert (found.response_id, found.response_model) == ("run_1", "m-1")
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.cache_read_tokens) == (9, 4, 5)


def test_a_run_is_the_call_of_an_agent_in_a_conversation():
    facts = streamed(URL, DONE, request=ASKED).facts

    assert facts.operation == "invoke_agent"
    assert facts.attributes == {"gen_ai.agent.id": "asst_1", "gen_ai.conversation.id": "thread_1"}


def test_a_run_that_makes_its_thread_has_no_conversation_yet():
    facts = streamed("https://api.openai.com/v1/threads/runs", DONE, request=ASKED).facts

    assert facts.attributes == {"gen_ai.agent.id": "asst_1"}


def test_a_function_call_waits_for_the_client_and_is_complete_for_now():
    calls = [
        step({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        step({"index": 0, "type": "function", "function": {"arguments": "{}"}}),
        step({"index": 1, "type": "code_interpreter", "code_interpreter": {"input": "import"}}),
    ]

    found = streamed(URL, run("created"), *calls, run("requires_action"), request=ASKED)

    assert found.tool_calls == [{"id": "call_1", "name": "f", "arguments": "{}"}]
    assert found.outcome == "completed"


FAILED = {
    "failed": run("failed", last_error={"code": "rate_limit_exceeded", "message": "slow"}),
    "expired": run("expired"),
    "flat": ("error", {"code": "server_error", "message": "boom"}),
    "member": ("error", {"error": {"code": "server_error", "message": "boom"}}),
}


@pytest.mark.parametrize("event", FAILED.values(), ids=FAILED)
def test_a_run_can_fail(event):
    found = streamed(URL, run("created"), event, DONE, request=ASKED)

    assert found.outcome == "error"
    assert found.error.code or found.error.type


def test_what_is_not_understood_is_skipped():
    events = [("ping", {}), ("thread.run.step.delta", {}), ("thread.message.delta", "no JSON"), step()]

    found = streamed(URL, *events, DONE, request=ASKED)

    assert (found.text, found.tool_calls, found.outcome) == ("", [], "completed")


def test_the_state_of_a_run_may_come_as_a_document():
    found = document(URL, run("completed", usage=USAGE)[1], request={**ASKED, "stream": True})

    assert (found.outcome, found.usage.output_tokens) == ("completed", 4)
    assert document(URL, b"1", request={**ASKED, "stream": True}).outcome == "incomplete"


def test_a_run_that_is_polled_is_left_alone():
    assert replay(url=URL, request_json={"assistant_id": "asst_1"}).recognised is False


def test_tool_outputs_go_on_with_the_run():
    url = f"{URL}/run_1/submit_tool_outputs"

    assert streamed(url, message(text={"value": "Hi"}), DONE, request={"tool_outputs": []}).text == "Hi"


def test_a_last_state_that_is_cut_in_the_middle_ends_nothing():
    cut = ("thread.run.completed", '{"id": "run_1", "usa')

    found = streamed(URL, run("created"), message(text={"value": "Hi"}), cut, request=ASKED)

    assert (found.text, found.outcome) == ("Hi", "incomplete")
