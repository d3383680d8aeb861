from __future__ import annotations

import pytest
from telling import Told

from otel_stream.tui import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.00s"),
        (0.423, "0.42s"),
        (12.34, "12.3s"),
        (125, "2m05s"),
        (3725, "1h02m"),
    ],
)
def test_seconds(value, text):
    assert words.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0204, "20ms"), (0.9, "900ms"), (1.26, "1.3s")])
def test_gaps(value, text):
    assert words.gap(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "$0"),
        (0.000012, "$0.00001"),
        (0.01234, "$0.0123"),
        (1.2345, "$1.234"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money(value, text):
    assert words.money(value) == text


def test_estimates_are_marked():
    assert words.money(0.5, estimated=True) == "~$0.5000"
    assert words.count(5, estimated=True) == "~5"
    assert words.count(0, estimated=True) == "0"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (99_999, "99,999"), (123_456, "123k"), (98_765_432, "99M")]
)
def test_counts(value, text):
    assert words.count(value) == text


def test_every_state_has_a_symbol_beside_its_word():
    told = Told().started()

    assert words.state(told.row("req_1"), told.now) == "○ waiting"
    assert all(len(f"{symbol} {state}") <= 12 for state, symbol in words.SYMBOLS.items())


def test_ids_are_told_by_their_end():
    assert words.short_id("req_0123456789abcdef") == "89abcdef"
    assert words.short_id("x") == "x"


def test_no_gap_no_percentiles():
    assert words.gaps(Told().started().row("req_1")) == "-"
