"""Writer's bare values."""

from __future__ import annotations

from answers import document, streamed

URL = "https://api.writer.com/v1/completions"
ASKED = {"prompt": "Once"}


def test_values_are_text_and_the_end_of_the_body_is_no_end():
    found = streamed(URL, {"value": "a"}, {"value": ""}, {"value": "b"}, request=ASKED)

    assert (found.text, found.outcome, found.facts.provider) == ("ab", "incomplete", "writer")


def test_an_end_that_is_marked_would_be_one():
    assert streamed(URL, {"value": "a"}, "[DONE]", request=ASKED).outcome == "completed"


def test_an_error_and_what_is_not_understood():
    found = streamed(URL, {"value": "a"}, {"other": 1}, "x", {"error": {"message": "boom"}}, request=ASKED)

    assert (found.text, found.outcome, found.error.message) == ("a", "error", "boom")


def test_a_whole_answer_is_its_choices():
    found = document(URL, {"model": "palmyra-x4", "choices": [{"text": "Hi"}, {"text": ""}]}, request=ASKED)

    assert (found.text, found.response_model, found.outcome) == ("Hi", "palmyra-x4", "completed")
    assert document(URL, [1], request=ASKED).outcome == "incomplete"
