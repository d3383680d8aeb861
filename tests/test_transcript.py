from __future__ import annotations

from otel_stream.transcript import Transcript


def test_text_is_kept_by_channel_in_wire_order():
    transcript = Transcript()
    for text, channel in [("Hm", "reasoning"), ("Hel", "output"), (" ok", "reasoning"), ("lo", "output")]:
        transcript.add(text, channel, 0)

    assert (transcript.text(), transcript.text("reasoning"), transcript.text("refusal")) == (
        "Hello",
        "Hm ok",
        "",
    )


def test_text_of_interleaved_choices_can_be_told_apart():
    transcript = Transcript()
    for text, index in [("a", 0), ("x", 1), ("b", 0)]:
        transcript.add(text, "output", index)

    assert (transcript.text(), transcript.text(index=0), transcript.text(index=1)) == ("axb", "ab", "x")


def test_tool_calls_come_in_order_of_first_appearance():
    transcript = Transcript()
    transcript.add_tool("b", "id_b", "beta", '{"b"', 0)
    transcript.add_tool("a", "id_a", "alpha", "", 1)
    transcript.add_tool("b", None, None, ":2}", 0)

    assert [call.as_dict() for call in transcript.tool_calls] == [
        {"id": "id_b", "name": "beta", "arguments": '{"b":2}'},
        {"id": "id_a", "name": "alpha", "arguments": ""},
    ]
    assert [call.index for call in transcript.tool_calls] == [0, 1]


def test_arguments_that_are_a_json_value_stay_one():
    transcript = Transcript()
    transcript.add_tool(0, None, "weather", {"city": "Köln"}, 0)

    assert transcript.tool_calls[0].as_dict() == {
        "id": None,
        "name": "weather",
        "arguments": {"city": "Köln"},
    }


def test_a_call_keeps_its_first_id_and_name():
    transcript = Transcript()
    transcript.add_tool(0, "one", "alpha", "", 0)
    transcript.add_tool(0, "two", "beta", "", 0)

    assert transcript.tool_calls[0].as_dict() == {"id": "one", "name": "alpha", "arguments": ""}


def test_the_text_is_cut_off_at_the_cap():
    transcript = Transcript(max_characters=5)
    for _ in range(3):
        transcript.add("abc", "output", 0)

    assert (transcript.text(), transcript.truncated, transcript.room) == ("abcab", True, 0)


def test_arguments_beyond_the_cap_are_left_out_whole():
    """Half a JSON text is of no use to anyone."""
    transcript = Transcript(max_characters=5)
    transcript.add_tool(0, "i", "n", "123456", 0)
    transcript.add_tool(1, "i", "n", {"long": "value"}, 0)
    transcript.add_tool(2, "i", "n", "12345", 0)

    assert [call.arguments for call in transcript.tool_calls] == ["12345"]
    assert transcript.truncated


def test_a_window_gets_the_visible_text_since_the_last_one():
    transcript = Transcript()
    transcript.add("one", "output", 0)
    transcript.add("thought", "reasoning", 0)
    transcript.add(" two", "output", 0)

    assert transcript.cut() == "one two"
    assert transcript.cut() == ""
    transcript.add("three", "output", 0)
    assert transcript.cut() == "three"
    assert transcript.text() == "one twothree"
