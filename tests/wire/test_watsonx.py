"""The quirks of watsonx."""

from __future__ import annotations

import pytest
from answers import document, streamed

from otel_stream.testing import replay

HOST = "https://us-south.ml.cloud.ibm.com"
URL = f"{HOST}/ml/v1/text/generation_stream?version=2024-05-31"
CHAT = f"{HOST}/ml/v1/text/chat_stream?version=2024-05-31"


def event(text="", made=0, given=0, reason="not_finished", **more):
    result = {
        "generated_text": text,
        "generated_token_count": made,
        "input_token_count": given,
        "stop_reason": reason,
    }
    return {"model_id": "ibm/granite", "results": [result], **more}


@pytest.mark.parametrize(
    ("path", "body", "model", "operation", "streaming"),
    [
        ("/ml/v1/text/generation_stream", {"model_id": "m"}, "m", "text_completion", True),
        ("/ml/v1/text/generation", {"model_id": "m"}, "m", "text_completion", False),
        ("/ml/v1-beta/generation/text_stream", {"model_id": "m"}, "m", "text_completion", True),
        ("/ml/v1-beta/generation/text", {"model_id": "m"}, "m", "text_completion", False),
        ("/ml/v1/deployments/d7/text/generation_stream", {}, "d7", "text_completion", True),
        ("/ml/v1/text/chat_stream", {"model_id": "m"}, "m", "chat", True),
        ("/ml/v1/text/chat", {}, "unknown", "chat", False),
    ],
)
def test_a_call_is_recognised_by_its_path(path, body, model, operation, streaming):
    facts = replay(url=f"{HOST}{path}?version=1", request_json=body).facts

    assert (facts.provider, facts.model, facts.operation, facts.streaming) == (
        "ibm.watsonx.ai",
        model,
        operation,
        streaming,
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/ml/v1/text/chat"), ("POST", "/text/chat"), ("POST", "/ml/v1/text/embeddings")],
)
def test_other_requests_are_left_alone(method, path):
    assert replay(url=HOST + path, method=method, request_json={}).recognised is False


def test_the_parameters_are_read():
    parameters = {"max_new_tokens": 9, "random_seed": 7, "decoding_method": "greedy"}

    assert replay(url=URL, request_json={"parameters": parameters}).facts.attributes == {
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.seed": 7,
    }


def test_the_last_counts_win_and_those_of_the_prompt_come_once():
    found = streamed(URL, event(given=8), event("a", 1), event("b", 2), event(made=3, reason="eos_token"))

    assert (found.text, found.response_model, found.finish_reasons, found.outcome) == (
        "ab",
        "ibm/granite",
        ["eos_token"],
        "completed",
    )
    assert (found.usage.input_tokens, found.usage.output_tokens) == (8, 3)


def test_results_without_counts_tell_no_usage():
    assert streamed(URL, {"results": [{"generated_text": "a"}]}).usage is None


def test_a_body_that_ends_without_a_stop_reason_is_incomplete():
    assert streamed(URL, event("a", 1)).outcome == "incomplete"


def test_text_chat_speaks_openais_dialect():
    chunk = {"model_id": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}

    found = streamed(CHAT, chunk, usage)

    assert (found.text, found.outcome, found.usage.input_tokens) == ("Hi", "completed", 5)


def test_an_error_in_the_stream_is_one_and_what_is_not_known_is_skipped():
    found = streamed(
        URL, "ping", {"new": 1}, event("a"), ("error", {"errors": [{"code": "model_down", "message": "no"}]})
    )

    assert (found.outcome, found.error.code, found.error.message) == ("error", "model_down", "no")


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_event():
    assert streamed("https://gateway.example/ask", event("a")).facts.format == "watsonx"
    assert streamed("https://gateway.example/ask", {"generated_text": "a"}).recognised is False


def test_whole_answers_are_read():
    generated = document(f"{HOST}/ml/v1/text/generation", event("Hi", 2, 5, "max_tokens"))
    chat = document(
        f"{HOST}/ml/v1/text/chat", {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    )

    assert (generated.text, generated.usage.input_tokens, generated.outcome) == ("Hi", 5, "completed")
    assert (chat.text, chat.outcome) == ("Hi", "completed")
    assert document(f"{HOST}/ml/v1/text/chat", [1]).outcome == "incomplete"
