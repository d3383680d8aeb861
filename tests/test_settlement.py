"""What was billed: reported tokens stand, bad ends are estimated, and the two are told apart."""

from __future__ import annotations

import pytest
from recording import Recording

from otel_stream.meaning import Usage


def ended(*, terminal=False, usage=None, characters=40, policy=None):
    recording = Recording(policy=policy)
    if characters:
        recording.read("x" * characters)
    if usage is not None:
        recording.stream.usage(usage)
    if terminal:
        recording.stream.done()
    event = recording.end("eof" if terminal else "closed")
    return event.input_tokens, event.output_tokens, event.usage_source


def test_what_the_provider_reported_stands():
    assert ended(terminal=True, usage=Usage(7, 9)) == (7, 9, "provider")


def test_a_finished_stream_without_usage_has_none():
    assert ended(terminal=True) == (None, None, "none")


def test_a_finished_stream_without_usage_is_estimated_where_the_setting_asks():
    assert ended(terminal=True, policy={"estimate_usage": "always"}) == (100, 10, "estimated")


def test_a_bad_end_is_estimated_from_the_characters_of_prompt_and_answer():
    assert ended() == (100, 10, "estimated")


def test_the_provider_s_input_count_and_a_larger_estimate_of_the_output_stand():
    """Anthropic begins with its input tokens and a placeholder of 1 output token."""
    assert ended(usage=Usage(33, 1)) == (33, 10, "estimated")


def test_a_reported_output_larger_than_the_estimate_stands():
    assert ended(usage=Usage(33, 50)) == (33, 50, "estimated")


def test_a_bad_end_before_any_output_keeps_what_was_reported():
    assert ended(usage=Usage(33, 1), characters=0) == (33, 1, "provider")


def test_a_bad_end_without_anything_has_nothing():
    assert ended(characters=0) == (None, None, "none")


def test_estimates_can_be_turned_off():
    assert ended(policy={"estimate_usage": "never"}) == (None, None, "none")


@pytest.mark.parametrize("characters", [1, 3, 4])
def test_an_estimate_is_rounded_up(characters):
    assert ended(characters=characters)[1] == 1


@pytest.mark.parametrize("impossible", [-1, 2**63, 10**400])
def test_a_count_that_no_call_can_have_is_not_taken(impossible):
    assert ended(terminal=True, usage=Usage(impossible, 9)) == (None, 9, "provider")
    assert ended(usage=Usage(7, impossible)) == (7, 10, "estimated")
