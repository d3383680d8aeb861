from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.terminal import cells
from otel_stream.tui import said as said_module
from otel_stream.tui.said import Said
from otel_stream.tui.wrap import Wrapped, breaks, flow


def say(said, text, channel="output", index=0):
    said.add(text, channel, index, len(text))


def wrapped(text, width):
    return [text[begin:end] for begin, end in breaks(text, width)]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("hello", 5, ["hello"]),
        ("hello world", 5, ["hello ", "world"]),
        ("hello world", 8, ["hello ", "world"]),
        ("hello world", 11, ["hello world"]),
        ("incomprehensible", 6, ["incomp", "rehens", "ible"]),
        ("a\nb\n", 5, ["a", "b", ""]),
        ("日本語", 4, ["日本", "語"]),
        ("日本", 1, ["日", "本"]),
        ("a  b", 2, ["a  ", "b"]),
    ],
)
def test_lines_break_at_spaces_where_there_are_any(text, width, lines):
    assert wrapped(text, width) == lines


@given(st.text(alphabet="ab 語\n", max_size=60), st.integers(2, 12))
def test_nothing_is_lost_and_no_line_is_too_long(text, width):
    lines = wrapped(text, width)

    assert "".join(lines) == text.replace("\n", "")
    assert all(cells(line.rstrip(" ")) <= width for line in lines)


@given(st.lists(st.text(alphabet="ab 語\n", min_size=1, max_size=20), min_size=1), st.integers(2, 12))
def test_wrapping_as_it_comes_is_wrapping_at_once(pieces, width):
    said, whole = Said(), Said()
    growing = Wrapped(width)
    for piece in pieces:
        say(said, piece)
        growing.update(said)
    say(whole, "".join(pieces))

    assert growing.update(said) == Wrapped(width).update(whole)


def test_text_is_harmless_but_for_its_line_ends():
    said = Said()
    say(said, "a\x1b[2J\tb\nc\u202e")

    assert [line.text for line in Wrapped(40).update(said)] == ["a·[2J b", "c·"]


def test_thinking_and_tool_calls_are_one_line_until_unfolded():
    said = Said()
    say(said, "hm", "reasoning")
    say(said, "{}", "tool_call")
    say(said, "no", "refusal")
    say(said, "Hello")

    folded = [tuple(line) for line in Wrapped(40).update(said)]
    unfolded = [tuple(line) for line in Wrapped(40, unfolded=True).update(said)]

    assert folded == [
        ("▸ thinking, 2 characters", "note"),
        ("▸ tool call, 2 characters", "note"),
        ("▾ refusal, 2 characters", "note"),
        ("no", "refusal"),
        ("Hello", "output"),
    ]
    assert unfolded[:2] == [("▾ thinking, 2 characters", "note"), ("hm", "reasoning")]


def test_choices_are_told_apart():
    said = Said()
    say(said, "a")
    say(said, "b", "reasoning", 1)

    assert [line.text for line in Wrapped(40).update(said)] == [
        "▾ choice 1, 1 characters",
        "a",
        "▸ choice 2, thinking, 1 characters",
    ]


def test_withheld_text_is_told_by_its_length():
    said = Said()
    said.add("", "output", 0, 7)

    assert [line.text for line in Wrapped(40).update(said)] == ["▸ text, 7 characters"]


def test_text_that_is_not_kept_any_more_is_told(monkeypatch):
    monkeypatch.setattr(said_module, "MAX_CHARACTERS", 5)
    said = Said()
    lines = Wrapped(40)
    say(said, "abcdefgh")
    lines.update(said)

    say(said, "ijk")

    assert [line.text for line in lines.update(said)] == ["… 6 characters are not here", "ghijk"]


def test_pieces_flow_over_lines():
    assert flow(["one", "two", "three"], 9) == ["one   two", "three"]
    assert flow(["one", "a long one", "two"], 8) == ["one", "a long ", "one", "two"]
    assert flow([], 8) == []
