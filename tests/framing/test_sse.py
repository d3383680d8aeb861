"""One test a rule of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream,
then what must hold beyond it: any cut, caps, and what providers send beside the standard.
"""

from __future__ import annotations

import random

import corpus
import pytest
from framed import bodies_of, cut, cut_at, frames, offsets, raws
from hypothesis import example, given
from hypothesis import strategies as st

from otel_stream.framing.sse import ServerSentEvent, SSEDecoder


def events(*chunks, lenient=False):
    return [(e.event, e.data) for e in frames(SSEDecoder(lenient=lenient), chunks)]


def seen(found):
    return [(e.event, e.data, e.id, e.retry) for e in found]


# -- the standard, rule by rule ----------------------------------------------------------------------


def test_a_blank_line_dispatches_the_event():
    assert events(b"data: one\n\ndata: two\n\n") == [("message", "one"), ("message", "two")]


def test_several_data_lines_are_joined_by_line_feeds():
    assert events(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [("message", "YHOO\n+2\n10")]


def test_one_space_after_the_colon_is_removed_and_no_more():
    assert events(b"data:x\n\ndata: x\n\ndata:  x\n\ndata:\tx\n\n") == [
        ("message", "x"),
        ("message", "x"),
        ("message", " x"),
        ("message", "\tx"),
    ]


def test_a_line_that_begins_with_a_colon_is_a_comment():
    assert events(b": keep-alive\n\n:data: x\ndata: y\n: more\n\n") == [("message", "y")]


def test_a_line_without_a_colon_is_a_field_with_an_empty_value():
    assert events(b"data\n\ndata\ndata\n\ndata:") == [("message", ""), ("message", "\n")]


def test_an_event_without_data_is_not_dispatched_and_leaves_no_name():
    assert events(b"event: ping\n\ndata: x\n\n") == [("message", "x")]


def test_an_event_with_empty_data_is_dispatched():
    assert events(b"data:\n\n") == [("message", "")]


def test_the_event_field_names_this_event_alone():
    assert events(b"event: a\ndata: 1\n\ndata: 2\n\n") == [("a", "1"), ("message", "2")]


def test_the_last_event_field_names_the_event_wherever_it_stands():
    assert events(b"event: a\ndata: 1\nevent: b\n\n") == [("b", "1")]


def test_an_empty_event_field_means_message():
    assert events(b"event:\ndata: 1\n\nevent: \ndata: 2\n\n") == [("message", "1"), ("message", "2")]


def test_an_id_lasts_until_the_next():
    found = frames(SSEDecoder(), [b"id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\nid\ndata: d\n\n"])

    assert [e.id for e in found] == ["1", "1", "2", ""]


def test_an_id_with_a_nul_is_ignored():
    assert [e.id for e in frames(SSEDecoder(), [b"id: 1\nid: 2\0\ndata: a\n\n"])] == ["1"]


def test_an_id_counts_also_when_its_event_has_no_data():
    assert [e.id for e in frames(SSEDecoder(), [b"id: 1\n\ndata: a\n\n"])] == ["1"]


def test_an_id_of_an_event_that_was_never_dispatched_does_not_count():
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n\nid: 1\n")
    decoder.close()

    assert [e.id for e in decoder.feed(b"data: b\n\n")] == [""]


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        (b"3000", 3000),
        (b"03000", 3000),
        (b"1000x", None),
        (b"-1", None),
        (b"", None),
        (b"1" * 19, None),
        ("٣".encode(), None),
    ],
)
def test_a_retry_counts_when_it_is_all_ascii_digits(value, retry):
    decoder = SSEDecoder()

    (event,) = decoder.feed(b"retry: " + value + b"\ndata: x\n\n")

    assert (event.retry, decoder.retry) == (retry, retry)


def test_unknown_fields_and_names_with_other_spelling_are_ignored():
    assert events(b"foo: x\nData: x\n data: x\ndata : x\nda-ta: x\ndata: y\n\n") == [("message", "y")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_lf_crlf_or_cr(end):
    assert events(b"event: e" + end + b"data: 1" + end + b"data: 2" + end + end + b"data: 3" + end + end) == [
        ("e", "1\n2"),
        ("message", "3"),
    ]


def test_line_ends_may_be_mixed():
    assert events(b"data: 1\r\ndata: 2\rdata: 3\n\r\ndata: 4\n\r") == [
        ("message", "1\n2\n3"),
        ("message", "4"),
    ]


def test_lines_end_nowhere_else():
    """`str.splitlines` would cut JSON at these: LINE SEPARATOR, NEXT LINE, form feed …"""
    text = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"

    assert events(f"data: {text}\n\n".encode()) == [("message", text)]


def test_one_byte_order_mark_at_the_start_is_dropped():
    assert events(b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n") == [
        ("message", "1"),
        ("message", "3"),
    ]
    assert events(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n") == [("message", "2")]


def test_a_beginning_that_only_looks_like_a_byte_order_mark_stays():
    assert events(b"\xef\xbb", b"\xbedata: 1\ndata: 2\n\n") == [("message", "2")]
    assert events(b"\xef", b"\xbb") == []


def test_bytes_that_are_no_utf8_become_replacement_characters():
    assert events(b"data: a\xffb\n\n") == [("message", "a\ufffdb")]


def test_an_event_left_open_at_the_end_is_dropped():
    assert events(b"data: 1\n\ndata: 2\n") == [("message", "1")]
    assert events(b"data: 1\n\ndata: 2") == [("message", "1")]


@pytest.mark.parametrize("case", corpus.sse_format_cases(), ids=lambda case: case["id"])
def test_format_cases(case):
    body = case["input"]
    chance = random.Random(case["id"])
    cuts = [
        [body],
        cut(body, 1),
        *(cut_at(body, [chance.randint(0, len(body)) for _ in range(5)]) for _ in range(20)),
    ]
    wanted = [(e["event"], e["data"], e["last_event_id"]) for e in case["expected_events"]]

    for chunks in cuts:
        decoder = SSEDecoder()
        found = frames(decoder, chunks)
        assert [(e.event, e.data, e.id) for e in found] == wanted
        if case["expected_retry_ms"] is not None:
            assert decoder.retry == case["expected_retry_ms"]


def test_an_event_left_open_can_be_had_before_its_blank_line_and_comes_once():
    decoder = SSEDecoder()
    before = [decoder.feed(b"data: half"), decoder.open_event()]
    decoder.feed(b" and half\n")
    early = decoder.open_event()
    after = [*decoder.feed(b"\n"), *decoder.feed(b"data: next\n\n")]

    assert (before, [event.data for event in early]) == ([[], []], ["half and half"])
    assert [event.data for event in after] == ["next"]


# -- any cut -------------------------------------------------------------------------------------------

PARTS = [
    b"data: ",
    b"data:",
    b"data",
    b"event: ",
    b"event",
    b"id: ",
    b"retry: ",
    b":",
    b": ",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\r\n\r\n",
    b"\xef\xbb\xbf",
    b"\0",
    b"1",
    b'{"a": 1}',
    "€".encode(),
    b"data: x\n\n",
    b"event: e\ndata: x\n\n",
    b"id: 2\n\n",
]


@given(bodies_of(PARTS), offsets)
@example(b"\xef\xbb\xbfdata: 1\r\n\r\n", [0, 0])
@example(b"data: 1\r\n\r\ndata: 2\r\n\r\n", [11])
def test_any_cut_gives_the_same_events(body, at):
    for lenient in (False, True):
        whole = seen(frames(SSEDecoder(lenient=lenient), [body]))
        assert seen(frames(SSEDecoder(lenient=lenient), cut_at(body, at))) == whole
        assert seen(frames(SSEDecoder(lenient=lenient), cut(body, 1))) == whole


@given(bodies_of(PARTS), offsets)
def test_events_are_those_of_a_plain_reading_of_the_standard(body, at):
    assert [(e.event, e.raw, e.id) for e in frames(SSEDecoder(), cut_at(body, at))] == plain_reading(body)


WHOLE = [
    b"data: x\n\n",
    b"event: e\ndata: x\n\n",
    b"id: 2\ndata: x\n\n",
    b"id: 3\nevent: e\ndata: x\n\n",
    b"event: e\nid: 4\ndata: x\n\n",
    b"id: 5\nid: 6\nevent: e\n\n",
    b"event: e\nid: \0\ndata: x\n\n",
    b"id: \0\nevent: e\ndata: x\n\n",
    b"event: long\ndata: 12345678901234567890\n\n",
    b"event:\ndata: x\ndata: y\n\n",
    b": ping\n\n",
    b"event: e\rdata: x\n\n",
    b"event: e\rid: 7\ndata: x\n\n",
]


@given(st.lists(st.lists(st.sampled_from([*WHOLE, *(e.replace(b"\n", b"\r\n") for e in WHOLE)]), max_size=3)))
def test_reads_of_whole_events_go_a_shorter_way_to_the_same_result(reads):
    chunks = [b"".join(read) for read in reads]
    pieces, whole = SSEDecoder(max_bytes=30), SSEDecoder(max_bytes=30)

    assert seen(frames(whole, chunks)) == seen(frames(pieces, cut(b"".join(chunks), 1)))
    assert whole.dropped == pieces.dropped


def plain_reading(body):
    """The standard's algorithm, word by word, on a body that is all there."""
    body = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, _ = body.split(b"\n")
    found, data, event, last_id, buffered_id = [], [], b"", "", ""
    for line in lines:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            last_id = buffered_id
            if data:
                found.append(((event or b"message").decode(), b"\n".join(data), last_id))
            data, event = [], b""
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
        elif name == b"id" and b"\0" not in value:
            buffered_id = value.decode()
    return found


# -- caps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "large",
    [
        b"data: " + b"x" * 100 + b"\n\n",
        b"data: xxxxx\n" * 20 + b"\n",
        b"event: e\ndata: " + b"x" * 100 + b"\n\n",
    ],
)
def test_an_event_above_the_cap_is_dropped_and_counted_and_the_next_is_read(large, size):
    decoder = SSEDecoder(max_bytes=50)
    body = b"data: 1\n\n" + large + b"data: 2\n\n" + large + b"data: 3\n\n"

    assert raws(decoder, *cut(body, size)) == [b"1", b"2", b"3"]
    assert decoder.dropped == 2


def test_an_event_above_the_cap_is_not_held():
    decoder = SSEDecoder(max_bytes=1000)
    for _ in range(100):
        decoder.feed(b"x" * 900)

    assert decoder._held == []
    assert decoder.dropped == 1


def test_one_line_reads_above_the_cap_are_dropped_on_the_short_way_too():
    decoder = SSEDecoder(max_bytes=20)
    chunks = [
        b"data: 1\n\n",
        b"data: " + b"x" * 30 + b"\n\n",
        b"data: 2\n\ndata: " + b"x" * 30 + b"\n\n",
        b"data: 3\n\n",
    ]

    assert raws(decoder, *chunks) == [b"1", b"2", b"3"]
    assert decoder.dropped == 2


def test_event_names_are_remembered_up_to_a_number():
    decoder = SSEDecoder()
    body = b"".join(b"event: e%d\ndata: x\n\n" % n for n in range(300))

    assert [e.event for e in frames(decoder, [body])] == [f"e{n}" for n in range(300)]
    assert len(decoder._names) == 256


# -- beside the standard ---------------------------------------------------------------------------------


def test_leniently_an_event_left_open_at_the_end_is_dispatched():
    assert events(b"data: 1\n\ndata: [DONE]", lenient=True) == [("message", "1"), ("message", "[DONE]")]
    assert events(b"event: e\ndata: 2\n", lenient=True) == [("e", "2")]
    assert events(b"", lenient=True) == []


def test_leniently_a_bare_json_object_between_events_is_taken_for_data():
    """How Google tells an error in a stream: without `data:`."""
    body = b'data: 1\n\n{"error": {\n  "code": 429\n}}\n\ndata: 2\n\n'

    assert events(body, lenient=True) == [
        ("message", "1"),
        ("message", '{"error": {\n  "code": 429\n}}'),
        ("message", "2"),
    ]
    assert events(body) == [("message", "1"), ("message", "2")]


def test_leniently_a_field_named_like_json_after_data_is_still_ignored():
    assert events(b'data: 1\n{"error": 1}\n\n', lenient=True) == [("message", "1")]


def test_an_event_has_its_data_as_bytes_and_as_text():
    assert frames(SSEDecoder(), [b"id: 7\nretry: 5\nevent: e\ndata: x\n\n"]) == [
        ServerSentEvent("e", b"x", "7", 5)
    ]
