"""Which gaps are recorded one by one: all of a quiet process, an even sample of a busy one."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import FakeClock

from otel_stream.metrics.gaps import RECORDS_A_SECOND, RECORDS_A_STREAM, RECORDS_AT_ONCE, GapSample
from otel_stream.stream import GAP_BOUNDS_SECONDS

BUCKETS = len(GAP_BOUNDS_SECONDS) + 1


def counts(**by_bucket):
    found = [0] * BUCKETS
    for name, count in by_bucket.items():
        found[int(name[1:])] = count
    return found


def buckets(gaps):
    """Return how many gaps fall into each bucket, as a recorder counts them."""
    found = [0] * BUCKETS
    for gap in gaps:
        found[bisect_left(GAP_BOUNDS_SECONDS, gap)] += 1
    return found


def test_a_short_stream_has_every_gap_in_its_bucket():
    made = counts(b0=3, b3=4, b14=1)

    assert buckets(GapSample(FakeClock()).take(made)) == made


def test_a_gap_beyond_the_last_bound_counts_as_that_bound():
    assert GapSample(FakeClock()).take(counts(b15=2)) == [30.0, 30.0]


def test_gaps_of_a_bucket_are_spread_over_it():
    assert GapSample(FakeClock()).take(counts(b0=2)) == pytest.approx([0.00125, 0.00375])


def test_a_long_stream_has_an_even_sample_of_its_gaps():
    found = buckets(GapSample(FakeClock()).take(counts(b2=7500, b5=2500)))

    assert found == counts(b2=RECORDS_A_STREAM * 3 // 4, b5=RECORDS_A_STREAM // 4)


def test_a_stream_of_one_chunk_has_no_gap():
    assert GapSample(FakeClock()).take(counts()) == []


def test_records_are_shared_by_the_histograms_they_go_to():
    found = GapSample(FakeClock()).take(counts(b2=1000), records_each=2)

    assert len(found) == RECORDS_A_STREAM // 2


def test_a_busy_process_runs_out_and_recovers_with_time():
    clock = FakeClock()
    sample = GapSample(clock)

    at_once = sum(len(sample.take(counts(b2=1000))) for _ in range(100))
    clock.pass_(0.1)
    after = sum(len(sample.take(counts(b2=1000))) for _ in range(100))
    clock.pass_(3600)
    rested = sum(len(sample.take(counts(b2=1000))) for _ in range(100))

    assert (at_once, rested) == (RECORDS_AT_ONCE, RECORDS_AT_ONCE)
    assert after == pytest.approx(RECORDS_A_SECOND * 0.1, abs=1)


def test_a_clock_that_steps_back_takes_nothing_away():
    clock = FakeClock()
    sample = GapSample(clock)
    clock.pass_(-1000)

    assert len(sample.take(counts(b2=5))) == 5


@given(st.lists(st.integers(0, 50), min_size=BUCKETS, max_size=BUCKETS), st.integers(1, 3))
def test_a_sample_only_has_gaps_the_stream_had(made, records_each):
    found = GapSample(FakeClock()).take(made, records_each=records_each)

    assert len(found) <= sum(made)
    assert found == sorted(found)
    had = {index for index, count in enumerate(made) if count}
    # Beyond the last bound a gap counts as that bound, the upper end of the bucket before.
    allowed = had | {BUCKETS - 2} if BUCKETS - 1 in had else had
    assert {index for index, count in enumerate(buckets(found)) if count} <= allowed
