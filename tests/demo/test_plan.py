from __future__ import annotations

from random import Random

import pytest

from otel_stream.demo import plan as plans
from otel_stream.demo.plan import number_of, pauses, plan, request_of


def test_the_same_seed_gives_the_same_calls():
    assert [plan(7, n) for n in range(50)] == [plan(7, n) for n in range(50)]
    assert [plan(7, n) for n in range(50)] != [plan(8, n) for n in range(50)]


def test_calls_are_of_all_kinds():
    calls = [plan(1, n) for n in range(2000)]

    assert {call.conduct for call in calls} == set(plans.CONDUCTS)
    assert {call.agent for call in calls} == set(plans.AGENTS)
    assert {call.tenant for call in calls} == set(plans.TENANTS)
    assert {call.recording.api for call in calls} == {"openai.chat", "anthropic.messages"}
    leaving = sum(call.leaves_after_s is not None for call in calls) / len(calls)
    assert abs(leaving - plans.LEAVES) < 0.03


def test_conducts_add_up_to_a_hundred():
    assert sum(plans.CONDUCTS.values()) == 100


@pytest.mark.parametrize("number", [1, 2, 3, 20])
def test_the_number_of_a_call_travels_in_its_request(number):
    call = plan(1, number)
    body = request_of(call)

    assert number_of(body) == number
    assert body["model"] == call.recording.model
    assert "user" not in call.recording.request, "the recording itself stays as it is"


@pytest.mark.parametrize(
    "body", [{}, {"user": "somebody"}, {"user": 7}, {"user": "call-x"}, {"metadata": None}, {"metadata": {}}]
)
def test_other_peoples_requests_have_no_number(body):
    assert number_of(body) is None


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 100])
def test_there_is_a_pause_before_each_frame(frames, slow):
    waits = list(pauses(Random(1), frames, slow=slow))

    assert len(waits) == frames
    assert all(wait > 0 for wait in waits)


def test_a_slow_answer_is_much_slower():
    assert sum(pauses(Random(1), 50, slow=True)) > 3 * sum(pauses(Random(1), 50, slow=False))
