from __future__ import annotations

from otel_stream.tui.said import MAX_CHARACTERS, Said


def say(said, text, channel="output", index=0):
    said.add(text, channel, index, len(text))


def shown(said):
    return [(run.channel, run.index, run.text, run.length) for run in said.runs]


def test_deltas_of_one_channel_are_one_run():
    said = Said()

    say(said, "Hel")
    say(said, "lo")

    assert shown(said) == [("output", 0, "Hello", 5)]


def test_a_change_of_channel_begins_a_run():
    said = Said()

    say(said, "hm", "reasoning")
    say(said, "Hello")
    say(said, "{}", "tool_call")

    assert [run.channel for run in said.runs] == ["reasoning", "output", "tool_call"]
    assert said.text() == "Hello"
    assert said.text("reasoning") == "hm"


def test_choices_that_take_turns_are_one_run_each():
    said = Said()

    for letter in "ab":
        say(said, letter, index=0)
        say(said, letter.upper(), index=1)

    assert shown(said) == [("output", 0, "ab", 2), ("output", 1, "AB", 2)]


def test_withheld_text_is_counted():
    said = Said()

    said.add("", "output", 0, 7)

    assert shown(said) == [("output", 0, "", 7)]
    assert said.missing == 7


def test_of_a_long_answer_the_newest_stays():
    said = Said()

    say(said, "a" * MAX_CHARACTERS, "reasoning")
    say(said, "b" * MAX_CHARACTERS)
    say(said, "c")

    assert said.text("reasoning") == ""
    assert said.text() == "b" * (MAX_CHARACTERS - 1) + "c"
    assert said.missing == MAX_CHARACTERS + 1
    assert said.runs[0].length == MAX_CHARACTERS
