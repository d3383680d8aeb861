from __future__ import annotations

import gc
import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream import events
from otel_stream.events import OUTCOMES, Completed, Error, Started, TextDelta, decode, encode

EXAMPLES = [
    Started("req_1", "gpt-4o"),
    Started(
        "req_1", "gpt-4o", "coder", "openai", "chat", "api.openai.com", "call_9", "acme", "s1", "upstream",
        time_unix_nano=1_700_000_000_123_456_789, sequence=0, trace_id="0" * 31 + "1", span_id="0" * 15 + "1",
    ),
    TextDelta("req_1", "Hello"),
    TextDelta("req_1", "", "reasoning", 1, length=5, sequence=1),
    Completed("req_1", 10, 5, 0.00125),
    Completed("req_1", None, None, None, finish_reasons=("stop", "length"), cost_source="none"),
    Error("req_1", "closed by the caller", outcome="cancelled", output_tokens=3, usage_source="estimated"),
]  # fmt: skip


@pytest.fixture(scope="module")
def validator():
    schema = events.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda e: type(e).__name__)
def test_an_event_survives_the_trip_through_json(event):
    assert decode(encode(event)) == event


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda e: type(e).__name__)
def test_what_is_written_is_valid_by_the_published_schema(event, validator):
    validator.validate(json.loads(encode(event)))


def test_a_line_is_one_line():
    assert b"\n" not in encode(TextDelta("req_1", "two\nlines\r\n\u2028"))


def test_the_smallest_delta_of_the_public_format_decodes():
    line = '{"type": "text_delta", "request_id": "req_abc123", "text": "Hello"}'

    assert decode(line) == TextDelta("req_abc123", "Hello")


def test_fields_of_a_later_version_are_ignored(validator):
    line = '{"type":"started","request_id":"r","model":"m","mood":{"good":[true]}}'

    assert decode(line) == Started("r", "m")
    validator.validate(json.loads(line))


def test_fields_at_their_default_are_left_out():
    assert encode(TextDelta("r", "x")) == b'{"type":"text_delta","request_id":"r","text":"x"}'


def test_required_fields_are_written_even_when_unknown():
    """A reader may rely on the four columns of the table; null is "not reported"."""
    line = encode(Completed("r", None, None, None))

    assert json.loads(line) == {
        "type": "completed", "request_id": "r", "input_tokens": None, "output_tokens": None, "cost_usd": None,
    }  # fmt: skip


REQUIRED = {
    "started": {"type", "request_id", "model"},
    "text_delta": {"type", "request_id", "text"},
    "completed": {"type", "request_id", "input_tokens", "output_tokens", "cost_usd"},
    "error": {"type", "request_id", "message"},
}


def test_the_schema_requires_exactly_the_required_fields():
    definitions = events.json_schema()["$defs"].values()

    required = {d["properties"]["type"]["enum"][0]: set(d["required"]) for d in definitions}

    assert required == REQUIRED


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "truncated"),
        (b"\xff", "malformed"),
        (b"[]", "Expected `object`"),
        (b"{}", "`type`"),
        (b'{"type":"finished"}', r"\$\.type"),
        (b'{"type":"text_delta","request_id":7,"text":""}', r"\$\.request_id"),
        (b'{"type":"completed","request_id":"r"}', "`input_tokens`"),
        (b'{"type":"error","request_id":"r","message":"m","outcome":"exploded"}', r"\$\.outcome"),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_reason(line, complaint):
    with pytest.raises(ValueError, match=complaint):
        decode(line)


def test_half_an_emoji_is_told_as_a_replacement_character():
    """A provider may cut a surrogate pair in two; nothing that encodes events may fail over it."""
    assert decode(encode(TextDelta("r", "A\ud83d"))) == TextDelta("r", "A\ufffd")
    assert decode(encode(Error("r", "\ude00 no", response_id="x\ud83d"))) == Error(
        "r", "\ufffd no", response_id="x\ufffd"
    )


def test_a_cost_that_is_no_number_is_told_as_unknown():
    assert decode(encode(Completed("r", 1, 1, float("nan")))) == Completed("r", 1, 1, None)


any_text = st.text(st.characters(codec=None))  # with lone surrogates


@given(any_text, any_text, st.integers(min_value=0), st.sampled_from(["output", "reasoning", "tool_call"]))
def test_any_delta_can_be_written_and_read(request_id, text, length, channel):
    delta = TextDelta(request_id, text, channel, length=length)

    read = decode(encode(delta))

    assert (read.length, read.channel, len(read.text) <= len(text)) == (length, channel, True)


@given(st.binary())
def test_arbitrary_bytes_are_an_event_or_a_value_error(line):
    try:
        event = decode(line)
    except ValueError:
        return
    assert isinstance(event, events.StreamEvent.__args__)


def test_events_cannot_be_changed():
    with pytest.raises(AttributeError):
        EXAMPLES[0].model = "other"


def test_events_are_no_work_for_the_garbage_collector():
    assert not any(gc.is_tracked(event) for event in EXAMPLES)


def test_only_completed_streams_are_told_by_completed():
    assert OUTCOMES[0] == Completed("r", None, None, None).outcome
    assert Error("r", "m").outcome in OUTCOMES[1:]


def test_every_event_can_say_when_it_was_and_which_span_it_belongs_to():
    common = {"request_id", "time_unix_nano", "sequence", "trace_id", "span_id"}

    for kind in events.StreamEvent.__args__:
        assert common <= set(kind.__struct_fields__)


def test_completed_and_error_carry_the_same_outcome_fields():
    shared = set(Completed.__struct_fields__) - {"request_id"}

    assert shared <= set(Error.__struct_fields__)
    assert msgspec.structs.fields(Error)[1].name == "message"
