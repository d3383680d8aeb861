"""The quirks of Replicate's streams."""

from __future__ import annotations

import pytest
from answers import EVENT_STREAM, JSON, sse

from otel_stream.testing import replay

URL = "https://stream.replicate.com/v1/streams/abc"


def streamed(*events, headers=EVENT_STREAM, url=URL):
    return replay(url=url, method="GET", response_headers=headers, chunks=[sse(*events)])


def test_a_stream_is_recognised_by_its_address():
    facts = streamed().facts

    assert (facts.provider, facts.model, facts.operation, facts.streaming) == (
        "replicate",
        "unknown",
        "text_completion",
        True,
    )


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", URL),
        ("GET", "https://example.com/v1/streams/abc"),
        ("GET", "https://api.replicate.com/v1/models"),
    ],
)
def test_other_requests_are_left_alone(method, url):
    assert replay(url=url, method=method, request_json={}).recognised is False


def test_the_data_is_the_text():
    found = streamed(("output", "Hi"), ("output", ""), ("output", '{"a"'), ("logs", "loading"), ("done", {}))

    assert (found.text, found.usage, found.outcome) == ('Hi{"a"', None, "completed")


@pytest.mark.parametrize(
    ("done", "outcome"),
    [
        ({}, "completed"),
        ({"reason": "canceled"}, "incomplete"),
        ({"reason": "error"}, "error"),
        ("x", "completed"),
    ],
)
def test_the_reason_tells_how_it_ended(done, outcome):
    assert streamed(("output", "Hi"), ("done", done)).outcome == outcome


@pytest.mark.parametrize("error", ["out of memory", {"detail": "out of memory"}])
def test_an_error_in_the_stream_is_one_and_what_is_not_known_is_skipped(error):
    found = streamed("ping", ("new", "x"), ("output", "Hi"), ("error", error), ("done", {"reason": "error"}))

    assert (found.text, found.outcome, found.error.message) == ("Hi", "error", "out of memory")


def test_what_is_no_stream_is_no_answer():
    assert (
        replay(url=URL, method="GET", response_headers=JSON, chunks=[b'{"status":\n "starting"}']).outcome
        == "incomplete"
    )


def test_output_of_an_unknown_request_is_left_alone():
    assert streamed(("output", "Hi"), url="https://gateway.example/ask").recognised is False
