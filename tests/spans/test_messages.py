"""Content capture: what a stream said, as the messages of the conventions, where it was asked for."""

from __future__ import annotations

import json

import jsonschema
import pytest
from opentelemetry.sdk.trace import SpanLimits
from recording import FACTS

from otel_stream.identity import Who
from otel_stream.meaning import CallFacts
from otel_stream.spans import messages
from otel_stream.transcript import Transcript

PART = {
    "oneOf": [
        {
            "properties": {"type": {"enum": ["text", "reasoning", "refusal"]}, "content": {"type": "string"}},
            "required": ["type", "content"],
            "additionalProperties": False,
        },
        {
            "properties": {
                "type": {"const": "tool_call"},
                "id": {"type": "string"},
                "name": {"type": "string"},
                "arguments": {},
            },
            "required": ["type", "name"],
            "additionalProperties": False,
        },
    ]
}
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "role": {"const": "assistant"},
            "parts": {"type": "array", "items": PART},
            "finish_reason": {"type": "string"},
        },
        "required": ["role", "parts", "finish_reason"],
        "additionalProperties": False,
    },
}
"""The shape of gen-ai-output-messages.json, for the parts a stream can have."""


def said(*pieces, tools=()):
    transcript = Transcript()
    for text, channel, index in pieces:
        transcript.add(text, channel, index)
    for number, (id, name, arguments, index) in enumerate(tools):
        transcript.add_tool(number, id, name, arguments, index)
    return transcript


def test_an_answer_is_one_message_with_its_parts_in_order():
    transcript = said(
        ("Let me ", "reasoning", 0),
        ("think.", "reasoning", 0),
        ("Hello", "output", 0),
        ("No.", "refusal", 0),
        tools=[("call_1", "weather", '{"city": "Rome"}', 0)],
    )

    found = messages.output_messages(transcript, ("stop",))

    jsonschema.validate(found, SCHEMA)
    assert found == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Let me think."},
                {"type": "text", "content": "Hello"},
                {"type": "refusal", "content": "No."},
                {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Rome"}},
            ],
            "finish_reason": "stop",
        }
    ]


def test_each_choice_is_a_message_and_silent_ones_are_none():
    transcript = said(
        ("one", "output", 0), ("three", "output", 2), tools=[(None, None, {"a": 1}, 3), (None, "f", "{", 4)]
    )

    found = messages.output_messages(transcript, ("stop", "error", "length"))

    jsonschema.validate(found, SCHEMA)
    assert [(message["parts"], message["finish_reason"]) for message in found] == [
        ([{"type": "text", "content": "one"}], "stop"),
        ([{"type": "text", "content": "three"}], "length"),
        ([{"type": "tool_call", "name": "", "arguments": {"a": 1}}], ""),
        ([{"type": "tool_call", "name": "f", "arguments": "{"}], ""),
    ]


GIVEN = {"gen_ai.input.messages": '[{"role": "user"}]', "gen_ai.system_instructions": [{"type": "text"}]}
ASKED = CallFacts("openai", "chat", "gpt-4o", "openai_chat", attributes=GIVEN)


def an_answer(recording):
    recording.read("Hel")
    recording.read("lo")
    recording.stream.finish("stop")
    recording.end()


@pytest.mark.parametrize("capture", ["SPAN_ONLY", "SPAN_AND_EVENT"])
def test_content_stands_on_the_span_as_json_text_where_asked_for(written, capture):
    out = written(capture_content=capture)

    an_answer(out.open(ASKED, captured=True))

    found = {name: json.loads(out.span.attributes[name]) for name in (*GIVEN, "gen_ai.output.messages")}
    jsonschema.validate(found["gen_ai.output.messages"], SCHEMA)
    assert found == {
        "gen_ai.input.messages": [{"role": "user"}],
        "gen_ai.system_instructions": [{"type": "text"}],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
        ],
    }
    assert [attributes.get("text") for _, attributes in out.events] == [None, "Hel", "lo", None]


@pytest.mark.parametrize(
    ("capture", "who"), [("NO_CONTENT", Who()), ("EVENT_ONLY", Who()), ("SPAN_ONLY", Who(private=True))]
)
def test_no_content_stands_on_the_span_otherwise(written, capture, who):
    out = written(capture_content=capture)

    an_answer(out.open(ASKED, captured=True, who=who))

    assert not {name for name in out.span.attributes if "messages" in name or "instructions" in name}
    assert "Hel" not in str(out.events)
    assert out.events[1][1]["length"] == 3


@pytest.mark.parametrize("capture", ["EVENT_ONLY", "SPAN_AND_EVENT"])
def test_the_details_event_has_everything_with_content_structured(written, capture):
    out = written(capture_content=capture)

    an_answer(out.open(ASKED, captured=True))

    (record,) = out.logs
    assert record.event_name == "gen_ai.client.inference.operation.details"
    assert record.span_id == out.span.context.span_id
    assert record.attributes["gen_ai.operation.name"] == "chat"
    assert record.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert record.attributes["gen_ai.input.messages"] == ({"role": "user"},)
    assert record.attributes["gen_ai.output.messages"][0]["parts"] == ({"type": "text", "content": "Hello"},)


@pytest.mark.parametrize(("capture", "text"), [("EVENT_ONLY", "Hello"), ("SPAN_ONLY", None)])
def test_the_text_of_log_based_deltas_is_content_of_events(written, capture, text):
    out = written(capture_content=capture, events="log")
    recording = out.open(captured=True)
    recording.read("Hello")
    recording.stream.done()

    recording.end()

    (delta,) = [record for record in out.logs if record.event_name == "otel_stream.text_delta"]
    assert delta.attributes.get("text") == text


def test_private_streams_have_no_details_event(written):
    out = written(capture_content="SPAN_AND_EVENT", events="both")

    an_answer(out.open(ASKED, captured=True, who=Who(private=True)))

    assert "gen_ai.client.inference.operation.details" not in [record.event_name for record in out.logs]
    assert "Hel" not in str([dict(record.attributes) for record in out.logs])


def test_a_stream_that_said_nothing_has_no_output_messages(written):
    out = written(capture_content="SPAN_ONLY")

    out.open(FACTS, captured=True).end()
    out.open(FACTS).end()

    assert [span.attributes.get("gen_ai.output.messages") for span in out.spans] == [None, None]


def test_merged_windows_keep_their_text(written):
    out = written(capture_content="SPAN_ONLY", tracing={"span_limits": SpanLimits(max_events=4)})
    recording = out.open(captured=True)
    for letter in "abcdefgh":
        recording.read(letter)
    recording.stream.done()

    recording.end()

    assert [attributes.get("text") for _, attributes in out.events] == [None, "a", "bcdefgh", None]
