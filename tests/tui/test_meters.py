from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.tui.meters import NS, Gaps, PerSecond, percentile, spark

T = 1_700_000_000 * NS


def test_sums_are_kept_by_the_second():
    meter = PerSecond(10)

    meter.add(T, 2)
    meter.add(T + NS // 2, 3)
    meter.add(T + 2 * NS, 4)

    assert meter.series(T + 3 * NS, 4) == [0, 5, 0, 4]
    assert meter.total(T + 3 * NS) == 9


def test_what_is_older_than_the_meter_reaches_back_is_gone():
    meter = PerSecond(3)

    meter.add(T)
    meter.add(T + 3 * NS)
    meter.add(T, 7)

    assert meter.total(T + 3 * NS) == 1


def test_a_late_event_counts_in_its_own_second():
    meter = PerSecond(5)

    meter.add(T + 2 * NS)
    meter.add(T + NS, 4)

    assert meter.series(T + 3 * NS, 3) == [0, 4, 1]


def test_a_pause_longer_than_the_meter_leaves_nothing():
    meter = PerSecond(3)

    meter.add(T)

    assert meter.total(T + 100 * NS) == 0
    assert meter.rate(T + 100 * NS) == 0


def test_the_rate_counts_the_running_second_by_what_has_passed_of_it():
    meter = PerSecond(10)

    for tenth in range(30):
        meter.add(T + tenth * NS // 10)

    assert meter.rate(T + 2 * NS + NS // 2, seconds=2) == pytest.approx(30 / 2.5)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=50), st.integers(0, 40))
def test_a_meter_equals_the_sum_over_its_window(events, later):
    events = sorted(events)
    meter = PerSecond(10)
    for second, amount in events:
        meter.add(T + second * NS, amount)
    now = max([later, *(second for second, _ in events)])

    expected = sum(amount for second, amount in events if now - 10 < second <= now)

    assert meter.total(T + now * NS) == expected


def test_gap_percentiles_are_right_to_a_quarter():
    gaps = Gaps()

    for thousandths in range(10, 1010, 10):
        gaps.add(thousandths / 1000)

    assert gaps.percentile(0.5) == pytest.approx(0.5, rel=0.25)
    assert gaps.percentile(0.95) == pytest.approx(0.95, rel=0.25)
    assert gaps.percentile(0) == pytest.approx(0.01, rel=0.25)


def test_without_gaps_there_is_no_percentile():
    assert Gaps().percentile(0.5) is None
    assert percentile([], 0.5) is None


def test_a_gap_longer_than_any_bucket_counts_as_the_longest():
    gaps = Gaps()

    gaps.add(3600)

    assert gaps.percentile(0.5) == pytest.approx(56, rel=0.1)


def test_percentiles_of_few_values_are_values():
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([3, 1, 2], 0.95) == 3


def test_bars_are_as_high_as_their_share_of_the_highest():
    assert spark([0, 1, 4, 8]) == " ▂▅█"
    assert spark([0, 0]) == "  "
    assert spark([]) == ""
