"""Anthropic's legacy completions."""

from __future__ import annotations

from answers import document, streamed

from otel_stream.testing import replay

URL = "https://api.anthropic.com/v1/complete"
ASKED = {"prompt": "Once", "max_tokens_to_sample": 9}


def completion(text, stop=None):
    event = {"type": "completion", "id": "c-1", "model": "m-1", "completion": text, "stop_reason": stop}
    return ("completion", event)


def test_text_and_the_reason_to_stop():
    found = streamed(
        URL, completion("a"), ("ping", {"type": "ping"}), completion("", "stop_sequence"), request=ASKED
    )

    assert (found.text, found.finish_reasons, found.outcome) == ("a", ["stop_sequence"], "completed")
    assert (found.response_id, found.response_model) == ("c-1", "m-1")


def test_a_body_that_ends_without_a_reason_is_incomplete():
    assert streamed(URL, completion("a"), request=ASKED).outcome == "incomplete"


def test_an_error_and_what_is_not_understood():
    error = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})

    found = streamed(URL, completion("a"), "no JSON", {"type": "new"}, error, request=ASKED)

    assert (found.outcome, found.error.type) == ("error", "overloaded_error")


def test_an_error_without_words_is_one():
    assert streamed(URL, completion("a"), ("error", {"type": "error"}), request=ASKED).outcome == "error"


def test_the_request_names_its_limit():
    facts = streamed(URL, completion("a"), request=ASKED).facts

    assert facts.attributes == {"gen_ai.request.max_tokens": 9}
    assert facts.operation == "text_completion"


def test_a_whole_answer_is_one_event():
    found = document(URL, completion("Hi", "stop_sequence")[1], request=ASKED)

    assert (found.text, found.outcome) == ("Hi", "completed")
    assert document(URL, [1], request=ASKED).outcome == "incomplete"


def test_completing_something_else_is_left_alone():
    assert replay(url="https://shop/orders/7/complete", request_json={"paid": True}).recognised is False
    assert replay(url=URL, method="GET").recognised is False


def test_a_completion_may_have_no_type():
    """So at Bedrock."""
    found = streamed(
        URL, {"completion": "a"}, {"completion": "", "stop_reason": "stop_sequence"}, request=ASKED
    )

    assert (found.text, found.finish_reasons, found.outcome) == ("a", ["stop_sequence"], "completed")
