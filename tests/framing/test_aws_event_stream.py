from __future__ import annotations

import struct
import uuid
from zlib import crc32

import corpus
import pytest
from aws_messages import error, event, exception, header, message, text_header
from framed import bodies_of, cut, cut_at, frames, offsets, raws
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.framing.aws_event_stream import EventStreamDecoder, EventStreamMessage, is_event_stream


def test_an_event_has_its_type_and_payload():
    body = event("contentBlockDelta", b'{"a": 1}') + event("messageStop", b"{}")

    assert frames(EventStreamDecoder(), [body]) == [
        EventStreamMessage("contentBlockDelta", b'{"a": 1}', "event"),
        EventStreamMessage("messageStop", b"{}", "event"),
    ]


def test_an_exception_has_its_type_and_payload():
    body = exception("throttlingException", {"message": "slow down"})

    assert frames(EventStreamDecoder(), [body]) == [
        EventStreamMessage("throttlingException", b'{"message": "slow down"}', "exception")
    ]


def test_an_error_has_its_code_and_its_message_as_payload():
    body = error("InternalFailure", 'it "broke"')

    assert frames(EventStreamDecoder(), [body]) == [
        EventStreamMessage("InternalFailure", b'{"message":"it \\"broke\\""}', "error")
    ]


def test_headers_of_every_type_may_stand_before_the_ones_we_read():
    others = [
        header("true", 0, b""),
        header("false", 1, b""),
        header("byte", 2, b"\1"),
        header("short", 3, b"\0\1"),
        header("int", 4, b"\0\0\0\1"),
        header("long", 5, bytes(8)),
        header("bytes", 6, b"\0\3abc"),
        header("time", 8, bytes(8)),
        header("uuid", 9, uuid.uuid4().bytes),
    ]

    assert frames(EventStreamDecoder(), [message(b"{}", *others, text_header(":event-type", "e"))]) == [
        EventStreamMessage("e", b"{}")
    ]


@pytest.mark.parametrize("block", [header("x", 77, b""), b"\x05ab", b"\x01", b"\x00\x07", b""])
def test_headers_that_cannot_be_read_leave_an_event_without_a_name(block):
    assert frames(EventStreamDecoder(), [message(b"{}", block)]) == [EventStreamMessage("", b"{}")]


def test_blocks_of_headers_are_remembered_up_to_a_number():
    decoder = EventStreamDecoder()
    body = b"".join(event(f"e{n}", b"{}") for n in range(70))

    assert [m.event for m in decoder.feed(body)] == [f"e{n}" for n in range(70)]
    assert len(decoder._known) == 64


def test_reading_stops_at_a_message_whose_checksum_is_wrong():
    bad = bytearray(event("b", b"{}"))
    bad[-5] ^= 1
    decoder = EventStreamDecoder()

    assert [
        m.event
        for m in frames(decoder, [event("a", b"{}"), bytes(bad) + event("c", b"{}"), event("d", b"{}")])
    ] == ["a"]
    assert decoder.dropped == 1


@pytest.mark.parametrize(
    "prelude", [b"\0" * 12, struct.pack(">III", 15, 0, crc32(struct.pack(">II", 15, 0))), b"HTTP/1.1 502 Bad"]
)
def test_reading_stops_at_a_prelude_that_is_none(prelude):
    decoder = EventStreamDecoder()

    assert [m.event for m in frames(decoder, [event("a", b"{}") + prelude, event("b", b"{}")])] == ["a"]
    assert decoder.dropped == 1


def test_a_message_left_open_is_none():
    decoder = EventStreamDecoder()

    assert [m.event for m in frames(decoder, [event("a", b"{}") + event("b", b"{}")[:-1]])] == ["a"]
    assert decoder.dropped == 0


@given(
    bodies_of([event("a", b"{}"), event("b", b'{"x": 1}'), event("large", b"x" * 150), event("b", b"")]),
    offsets,
    st.booleans(),
)
def test_any_cut_gives_the_same_messages(body, at, corrupt):
    if corrupt and body:
        body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
    found = []
    for chunks in ([body], cut_at(body, at), cut(body, 1)):
        decoder = EventStreamDecoder(max_bytes=120)
        found.append((frames(decoder, chunks), decoder.dropped))

    assert found[1:] == found[:1] * 2


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_message_above_the_cap_is_dropped_and_counted_and_the_next_is_read(size):
    decoder = EventStreamDecoder(max_bytes=100)
    body = event("a", b"1") + event("a", b"x" * 100) + event("a", b"2") + event("a", b"x" * 500)

    assert raws(decoder, *cut(body, size)) == [b"1", b"2"]
    assert decoder.dropped == 2


def test_a_message_above_the_cap_is_not_held():
    decoder = EventStreamDecoder(max_bytes=100)
    for chunk in cut(event("a", b"x" * 10_000), 50):
        decoder.feed(chunk)

    assert len(decoder._held) == 0


@pytest.mark.parametrize("case", corpus.streams(framing="aws_eventstream"), ids=str)
def test_recordings_give_their_number_of_messages(case):
    for chunks in ([case.body], case.cut(1), case.cut_at_random(0)):
        decoder = EventStreamDecoder()
        assert len(frames(decoder, chunks)) == case.expected["n_wire_events"]
        assert decoder.dropped == 0


def test_a_body_is_known_by_its_first_twelve_bytes():
    body = event("a", b"{}")

    assert is_event_stream(body[:12])
    assert not is_event_stream(body[:11])
    assert not is_event_stream(b"\0" * 11 + b"\1")
