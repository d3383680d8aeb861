"""What reading says instead of an event."""

from __future__ import annotations

import itertools

from otel_stream.broadcaster import Closed, Empty, Lagged


def test_a_gap_says_how_many_were_missed():
    gap = Lagged(3)

    assert gap.missed == 3
    assert str(gap) == "3 events were overwritten before they were read"


def test_the_three_answers_are_told_apart():
    assert not any(issubclass(*pair) for pair in itertools.permutations([Lagged, Closed, Empty], 2))
