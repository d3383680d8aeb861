from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.terminal import cells, fit, harmless, tail


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Köln 東京 👋", "Köln 東京 👋"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("\x1b[2J\x1b[31mred", "·[2J·[31mred"),
        ("\x1b]0;title\x07", "·]0;title·"),
        ("\x9b2J c1", "·2J c1"),
        ("\x7f\x00", "··"),
        ("abc\u202edcba", "abc·dcba"),
        ("zero\u200bwidth\ufeff", "zero·width·"),
        ("line\u2028separator", "line·separator"),
        ("half \ud83d", "half ·"),
    ],
)
def test_what_a_terminal_would_obey_is_replaced(text, shown):
    assert harmless(text) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_harmful_is_left_of_any_text(text):
    shown = harmless(text)

    assert len(shown) == len(text)
    assert not {unicodedata.category(character)[0] for character in shown} & {"C"}
    assert "\n" not in shown


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("東京", 4), ("e\u0301", 1), ("👋", 2), ("", 0)])
def test_width_is_counted_in_cells(text, columns):
    assert cells(text) == columns


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 5, "abc  "),
        ("abcdef", 4, "abc…"),
        ("東京タワー", 6, "東京… "),
        ("", 2, "  "),
        ("abcd", 4, "abcd"),
    ],
)
def test_text_is_cut_or_filled_to_the_width(text, width, shown):
    assert fit(text, width) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("abc", 5, "abc"), ("abcdef", 4, "cdef"), ("東京タワー", 5, "ワー")]
)
def test_the_end_of_a_text_is_shown_when_it_is_too_long(text, width, shown):
    assert tail(text, width) == shown


@given(st.text().map(harmless), st.integers(1, 40))
def test_what_is_fitted_has_the_width(text, width):
    assert cells(fit(text, width)) == width
    assert cells(tail(text, width)) <= width
    assert text.endswith(tail(text, width))
