"""What sinks and snapshots read of a stream while it is open and when it has ended."""

from __future__ import annotations

import pytest
from recording import EPOCH_NS, FACTS, Recording

from otel_stream.meaning import Failure
from otel_stream.pricing import Price
from otel_stream.stream import Policy, Stream


def test_a_policy_without_prices_prices_nothing():
    assert Policy().price(provider="openai", model="m", request_model="m", usage=None) == Price(None, "none")


def test_each_stream_has_an_id_of_its_own():
    ids = {Stream(FACTS).request_id for _ in range(100)}

    assert len(ids) == 100
    assert all(id.startswith("req_") for id in ids)


def test_durations_of_an_open_stream_run_on():
    recording = Recording()
    recording.read("a", after=2.0)
    recording.clock.pass_(3.0)

    stream = recording.stream

    assert (stream.duration_s, stream.idle_s, stream.time_to_first_token_s) == (5.0, 3.0, 2.0)


def test_before_the_first_token_there_is_no_time_to_it_and_no_gap():
    stream = Recording().stream

    assert (stream.time_to_first_token_s, stream.gaps[1]) == (None, 0.0)


def test_a_clock_that_goes_back_gives_no_negative_times():
    recording = Recording()
    recording.clock.pass_(-5.0)

    assert (recording.stream.duration_s, recording.stream.idle_s) == (0.0, 0.0)


def test_readings_of_the_clock_become_nanoseconds_since_the_epoch():
    recording = Recording()

    assert recording.stream.unix_nano(recording.clock() + 1.5) == EPOCH_NS + 1_500_000_000


@pytest.mark.parametrize(
    ("soft", "hard", "failure", "complete"),
    [
        (False, False, None, False),
        (True, False, None, True),
        (False, True, None, True),
        (True, True, Failure(None, None, None), False),
    ],
)
def test_it_is_complete_with_a_terminal_and_without_an_error(soft, hard, failure, complete):
    stream = Stream(FACTS)
    stream.soft, stream.hard, stream.failure = soft, hard, failure

    assert stream.is_complete is complete


def test_an_http_error_is_a_failure():
    stream = Stream(FACTS)
    stream.status = 500

    assert stream.failed


def test_the_number_of_the_last_event_counts_the_deltas():
    recording = Recording()
    recording.read("a", "b")

    assert recording.stream.sequence == 2
