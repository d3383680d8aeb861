from __future__ import annotations

import json

import corpus
import pytest
from framed import bodies_of, cut, cut_at, offsets, raws
from hypothesis import example, given
from hypothesis import strategies as st

from otel_stream.framing.json_array import JSONArrayDecoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('"\\{}[]\n,é', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\{}[]k', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ELEMENTS = st.lists(st.dictionaries(st.sampled_from(["a", "b", '"]}']), VALUES, max_size=3), max_size=5)


def test_each_element_is_a_frame_without_a_name():
    (one, two) = JSONArrayDecoder().feed(b'[{"a": [1, {}]}, {"b": "}]"}]')

    assert [(one.event, one.raw), (two.event, two.raw)] == [("", b'{"a": [1, {}]}'), ("", b'{"b": "}]"}')]


def test_an_element_comes_as_soon_as_it_is_complete():
    decoder = JSONArrayDecoder()

    chunks = [b"[", b'{"a": 1', b"}", b"\n,\r\n", b"{}", b"\n]"]

    assert [[f.raw for f in decoder.feed(chunk)] for chunk in chunks] == [
        [],
        [],
        [b'{"a": 1}'],
        [],
        [b"{}"],
        [],
    ]


def test_an_element_that_is_left_open_is_none():
    assert raws(JSONArrayDecoder(), b'[{"a": 1}, {"b": "') == [b'{"a": 1}']


def test_an_empty_array_has_none():
    assert raws(JSONArrayDecoder(), b" [ ] ") == []


def test_what_follows_the_array_is_none_of_it():
    assert raws(JSONArrayDecoder(), b'[{"a": 1}] {"b": 2}', b'[{"c": 3}]') == [b'{"a": 1}']


def test_values_without_an_array_around_them_are_split_as_well():
    assert raws(JSONArrayDecoder(), b'{"a": 1}{"b"', b': 2}\n{"c": 3}') == [
        b'{"a": 1}',
        b'{"b": 2}',
        b'{"c": 3}',
    ]


def test_elements_that_are_no_objects_are_passed_by():
    assert raws(JSONArrayDecoder(), b'[1, "{}", null, {"a": 1}, "]", [2]]') == [b'{"a": 1}', b"[2]"]


def test_a_byte_order_mark_is_nothing():
    assert raws(JSONArrayDecoder(), b"\xef\xbb\xbf[{}]") == [b"{}"]


@pytest.mark.parametrize("body", [b"]]}}", b"hello", b"", b'"', b"\\", b'[{"a": "\\', b"}{}", b"[}]{]"])
def test_what_is_no_array_does_no_harm(body):
    for chunks in ([body], cut(body, 1)):
        JSONArrayDecoder().feed(b"".join(chunks))
        raws(JSONArrayDecoder(), *chunks)


@pytest.mark.parametrize("case", corpus.streams(framing="json_array"), ids=str)
def test_recordings_split_into_their_elements(case):
    wanted = [json.dumps(element) for element in json.loads(case.body)]
    cuts = [
        [case.body],
        cut(case.body, 1),
        cut(case.body, 100),
        *(case.cut_at_random(seed) for seed in range(20)),
    ]

    for chunks in cuts:
        assert [json.dumps(json.loads(raw)) for raw in raws(JSONArrayDecoder(), *chunks)] == wanted


@given(ELEMENTS, st.sampled_from([None, 0, 2]), offsets)
@example([{"a": '\\"'}], None, [9])
def test_any_array_in_any_cut_splits_into_its_elements(elements, indent, at):
    body = json.dumps(elements, indent=indent).encode()

    for chunks in ([body], cut_at(body, at), cut(body, 1)):
        assert [json.loads(raw) for raw in raws(JSONArrayDecoder(), *chunks)] == elements


@given(bodies_of([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\n}", b'{"a": 1}', b"x"]), offsets)
def test_any_cut_of_anything_gives_the_same_elements(body, at):
    wanted = raws(JSONArrayDecoder(), *cut(body, 1))

    assert [raws(JSONArrayDecoder(), body), raws(JSONArrayDecoder(), *cut_at(body, at))] == [wanted] * 2


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_element_above_the_cap_is_dropped_and_counted_and_the_next_is_read(size):
    decoder = JSONArrayDecoder(max_bytes=20)
    large = b'{"a": "' + b"x" * 30 + b'"}'
    body = b'[{"a": 1},' + large + b',\n{"a": 2},' + large + b"]"

    assert raws(decoder, *cut(body, size)) == [b'{"a": 1}', b'{"a": 2}']
    assert decoder.dropped == 2


def test_an_element_above_the_cap_is_not_held():
    decoder = JSONArrayDecoder(max_bytes=1000)
    decoder.feed(b'[{"a": "')
    for _ in range(100):
        decoder.feed(b"x" * 900)

    assert decoder._held == []


def test_a_read_larger_than_what_is_scanned_at_once_is_split_the_same():
    elements = [{"a": "x" * 999, "b": [i]} for i in range(300)]
    body = json.dumps(elements).encode()

    assert [json.loads(raw) for raw in raws(JSONArrayDecoder(), body)] == elements
