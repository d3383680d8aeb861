from __future__ import annotations

import pytest
from framed import bodies_of, cut, cut_at, offsets, raws
from hypothesis import given

from otel_stream.framing.ndjson import NDJSONDecoder


def test_each_line_is_a_frame_without_a_name():
    (one, two) = NDJSONDecoder().feed(b'{"a": 1}\n{"b": 2}\n')

    assert [(one.event, one.raw), (two.event, two.raw)] == [("", b'{"a": 1}'), ("", b'{"b": 2}')]


def test_blank_lines_and_the_space_around_values_are_nothing():
    assert raws(NDJSONDecoder(), b"\n \n{}\r\n\r\n\t{} \n") == [b"{}", b"{}"]


def test_a_byte_order_mark_and_record_separators_are_nothing():
    assert raws(NDJSONDecoder(), b"\xef\xbb\xbf{}\n\x1e{}\n") == [b"{}", b"{}"]


def test_a_last_line_without_its_end_is_a_frame():
    assert raws(NDJSONDecoder(), b'{"a"', b": 1}\n{", b"}") == [b'{"a": 1}', b"{}"]
    assert raws(NDJSONDecoder(), b"") == []


def test_lines_end_in_line_feeds_alone():
    line = '{"text": "\u2028\x85"}'.encode()

    assert raws(NDJSONDecoder(), line + b"\n") == [line]


@given(bodies_of([b'{"a": 1}', b"\n", b"\r\n", b" ", b"{", b"}", b"x" * 30]), offsets)
def test_any_cut_gives_the_same_lines(body, at):
    for max_bytes in (20, 1000):
        whole = NDJSONDecoder(max_bytes)
        pieces = [NDJSONDecoder(max_bytes), NDJSONDecoder(max_bytes)]

        assert [raws(pieces[0], *cut_at(body, at)), raws(pieces[1], *cut(body, 1))] == [raws(whole, body)] * 2


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_above_the_cap_is_dropped_and_counted_and_the_next_is_read(size):
    decoder = NDJSONDecoder(max_bytes=10)
    body = b"1\n" + b"x" * 11 + b"\n2\n" + b"x" * 100

    assert raws(decoder, *cut(body, size)) == [b"1", b"2"]
    assert decoder.dropped == 2


def test_a_line_above_the_cap_is_not_held():
    decoder = NDJSONDecoder(max_bytes=1000)
    for _ in range(100):
        decoder.feed(b"x" * 900)

    assert decoder._held == []
