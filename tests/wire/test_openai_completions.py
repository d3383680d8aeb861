"""The quirks of text completions."""

from __future__ import annotations

import pytest
from answers import document, streamed

from otel_stream.testing import replay

URL = "http://localhost:8000/v1/completions"
ASKED = {"prompt": "Once"}


def chunk(text="", *, finish=None, index=0, **more):
    choice = {"index": index, "text": text, "finish_reason": finish}
    return {"id": "c-1", "object": "text_completion", "model": "m-1", "choices": [choice], **more}


def test_text_goes_to_its_choice():
    found = streamed(
        URL, chunk("a"), chunk("b", index=1), chunk("", finish="stop"), "[DONE]", chunk("late"), request=ASKED
    )

    assert [(e.text, e.index) for e in found.events[1:-1]] == [("a", 0), ("b", 1)]
    assert (found.finish_reasons, found.outcome) == (["stop"], "completed")
    assert found.facts.operation == "text_completion"


def test_usage_and_errors_come_as_in_the_chat_dialect():
    usage = {"prompt_tokens": 3, "completion_tokens": 2}

    found = streamed(URL, chunk("a", usage=usage), {"error": {"message": "boom"}}, "[DONE]", request=ASKED)

    assert (found.usage.input_tokens, found.outcome, found.error.message) == (3, "error", "boom")


def test_what_is_no_chunk_is_skipped():
    found = streamed(URL, "ping", chunk("a"), "[DONE]", request=ASKED)

    assert (found.text, found.outcome) == ("a", "completed")


def test_a_whole_answer_is_one_chunk():
    found = document(URL, chunk("Hi", finish="length"), request=ASKED)

    assert (found.text, found.finish_reasons, found.outcome) == ("Hi", ["length"], "completed")
    assert document(URL, [1], request=ASKED).outcome == "incomplete"


@pytest.mark.parametrize("asked", [{"prompt": "x"}, None])
def test_a_body_that_cannot_be_read_is_given_the_benefit_of_the_doubt(asked):
    assert replay(url=URL, request_json=asked).recognised is True


def test_completions_of_something_else_are_left_alone():
    assert replay(url="http://shop/api/tasks/completions", request_json={"task": 1}).recognised is False
    assert replay(url=URL, method="GET").recognised is False


def test_an_error_may_be_the_whole_object():
    """https://github.com/vllm-project/vllm: until 0.10."""
    flat = {"object": "error", "message": "boom", "type": "BadRequestError", "code": 400}

    found = streamed(URL, chunk("a"), flat, "[DONE]", request=ASKED)

    assert (found.outcome, found.error) == (
        "error",
        {"type": "BadRequestError", "code": "400", "message": "boom"},
    )


def test_the_path_names_the_deployment_when_the_body_names_no_model():
    url = "https://x.openai.azure.com/openai/deployments/dep/completions?api-version=1"

    found = streamed(url, "[DONE]", request={**ASKED, "model": None})

    assert found.facts.model == "dep"
