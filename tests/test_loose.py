"""A vendor's surprise costs one field, never the stream."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.loose import LooseDecoder, json_value, parse


class Inner(msgspec.Struct):
    n: int | None = None
    text: str | None = None


class Outer(msgspec.Struct, rename="camel"):
    the_count: int | None = None
    ratio: float | None = None
    inner: Inner | None = None
    listed: list[Inner] | None = None
    either: Inner | list[Inner] | None = None
    named: dict[str, Inner] = {}
    raw: msgspec.Raw = msgspec.Raw()


DECODER = LooseDecoder(Outer)


def decoded(value):
    return DECODER.decode(json.dumps(value).encode())


def test_what_fits_is_decoded_at_once():
    assert decoded({"theCount": 7, "inner": {"n": 1}, "listed": [{"text": "x"}], "unknown": 1}) == Outer(
        7, None, Inner(1), [Inner(None, "x")]
    )


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"theCount": "7", "ratio": 0.5}, Outer(ratio=0.5)),
        ({"theCount": 7.0}, Outer(7)),
        ({"theCount": 7.5}, Outer()),
        ({"theCount": True}, Outer()),
        ({"theCount": None, "inner": 7}, Outer()),
        ({"inner": {"n": "1", "text": "x"}}, Outer(inner=Inner(None, "x"))),
        ({"listed": [7, {"n": 1}, {"n": "1"}, None]}, Outer(listed=[Inner(1), Inner()])),
        ({"listed": {"n": 1}}, Outer()),
        ({"either": [{"n": "1"}]}, Outer(either=[Inner()])),
        ({"either": {"n": 1, "text": 7}}, Outer(either=Inner(1))),
        ({"either": 7}, Outer()),
        ({"named": {"a": {"n": 1}, "b": 7, "c": {"n": []}}}, Outer(named={"a": Inner(1), "c": Inner()})),
        ({"named": []}, Outer()),
    ],
)
def test_what_does_not_fit_is_left_out_and_the_rest_kept(value, wanted):
    found = decoded({"ratio": "no"} | value)

    assert found == wanted


def test_what_is_kept_raw_stays_what_it_was():
    found = decoded({"theCount": "no", "raw": {"a": [1, 0.5, 7.0, "é"]}})

    assert json.loads(bytes(found.raw)) == {"a": [1, 0.5, 7.0, "é"]}
    assert bytes(decoded({"theCount": "no", "raw": 7.0}).raw) == b"7.0"


def test_half_a_character_is_kept():
    """Providers cut emoji in two: the other half comes with the next chunk."""
    found = DECODER.decode(b'{"inner": {"text": "\\ud83d"}, "raw": "\\ud83d"}')

    assert (found.inner.text, bytes(found.raw)) == ("\ud83d", b'"\\ud83d"')


def test_bytes_that_are_no_utf8_become_replacement_characters():
    assert DECODER.decode(b'{"inner": {"text": "a\xffb"}}').inner.text == "a\ufffdb"


@pytest.mark.parametrize(
    "raw", [b"", b"[1]", b"7", b"null", b"{", b'{"a": 1}}', b"\xff", b"[" * 100_000, b'{"a":' * 100_000]
)
def test_what_is_no_object_is_none(raw):
    assert DECODER.decode(raw) is None


def test_nesting_without_end_does_no_harm():
    assert DECODER.decode(b'{"raw": ' + b"[" * 500 + b"]" * 500 + b', "theCount": "no"}') is not None


NAMES = ["theCount", "inner", "listed", "either", "named", "raw", "n", "text"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
)


@given(ANY_JSON)
def test_any_json_is_decoded_or_none(value):
    assert isinstance(decoded(value), Outer if isinstance(value, dict) else type(None))


@given(st.binary())
def test_any_bytes_are_decoded_or_none(raw):
    DECODER.decode(raw)
    parse(raw)
    json_value(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"", ""),
        (msgspec.Raw(), ""),
        (b'{"a": 1}', {"a": 1}),
        (msgspec.Raw(b"7"), 7),
        (b'"\\ud83d"', '"\\ud83d"'),
        (b"NaN", "NaN"),
    ],
)
def test_a_value_is_told_or_its_text(raw, value):
    assert json_value(raw) == value
