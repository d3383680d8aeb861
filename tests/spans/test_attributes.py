"""What the request and the answer say, under the names of the conventions."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan
from recording import Recording

from otel_stream.identity import Who
from otel_stream.meaning import CallFacts, Usage
from otel_stream.spans import attributes


def of_choices(count):
    return CallFacts(
        "openai", "chat", "gpt-4o", "openai_chat", attributes={"gen_ai.request.choice.count": count}
    )


def ended(facts=None, ending="eof", *, mode="latest", error_type=None, tell=None, **known):
    """Return the end attributes of a stream that `tell` told something."""
    recording = Recording(facts or of_choices(1), **known)
    if tell is not None:
        tell(recording.stream)
    event = recording.end(ending)
    return attributes.at_end(event, recording.stream, mode, error_type)


def test_what_the_request_does_not_say_is_left_out():
    facts = CallFacts("ollama", "chat", "unknown", "ollama_chat", streaming=False, server_port=80)

    assert attributes.at_start(Recording(facts).stream) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "otel_stream.source": "upstream",
    }


def test_a_server_without_a_known_port_has_no_port():
    facts = CallFacts("ollama", "chat", "unknown", "ollama_chat", server_address="llm.internal")

    found = attributes.at_start(Recording(facts).stream)

    assert found["server.address"] == "llm.internal"
    assert "server.port" not in found


def test_prompts_are_no_start_attributes():
    """Samplers get those, whatever content capture says."""
    facts = CallFacts(
        "openai",
        "chat",
        "gpt-4o",
        "openai_chat",
        attributes={
            "gen_ai.input.messages": "[]",
            "gen_ai.system_instructions": "[]",
            "gen_ai.output.type": "json",
        },
    )

    found = attributes.at_start(Recording(facts).stream)

    assert found["gen_ai.output.type"] == "json"
    assert not {name for name in found if "messages" in name or "instructions" in name}


def test_a_session_that_is_only_the_call_again_is_no_conversation():
    found = attributes.at_start(Recording(who=Who(session_id="call_1", call_id="call_1")).stream)

    assert found["otel_stream.session_id"] == "call_1"
    assert "gen_ai.conversation.id" not in found


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("latest", {"gen_ai.usage.cache_write.input_tokens"}),
        ("v1.41", {"gen_ai.usage.cache_creation.input_tokens"}),
        ("dup", {"gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"}),
    ],
)
def test_cache_writes_have_the_names_that_were_asked_for(mode, names):
    found = ended(tell=lambda stream: stream.usage(Usage(10, 2, cache_write_tokens=7)), mode=mode)

    assert {name for name in found if "cache_" in name} == names
    assert {found[name] for name in names} == {7}


def test_audio_tokens_are_parts_of_their_own():
    found = ended(
        tell=lambda stream: stream.usage(Usage(10, 20, input_audio_tokens=4, output_audio_tokens=8))
    )

    assert found["gen_ai.usage.audio.input_tokens"] == 4
    assert found["gen_ai.usage.audio.output_tokens"] == 8


def test_the_first_chunk_has_a_time_only_where_chunks_are_streamed():
    facts = CallFacts("openai", "chat", "gpt-4o", "openai_chat", streaming=False)

    assert "gen_ai.response.time_to_first_chunk" not in ended(facts, tell=lambda stream: stream.delta("x"))
    assert "gen_ai.response.time_to_first_chunk" in ended(tell=lambda stream: stream.delta("x"))


def test_notes_of_the_taps_get_our_prefix_unless_they_have_a_namespace():
    def tell(stream):
        stream.attributes.update({"undecodable": "gzip", "openai.api.type": "responses", "nothing": None})

    found = ended(tell=tell)

    assert found["otel_stream.undecodable"] == "gzip"
    assert found["openai.api.type"] == "responses"
    assert "otel_stream.nothing" not in found


def test_error_type_is_told_as_given():
    assert ended(error_type="429")["error.type"] == "429"
    assert "error.type" not in ended()


@pytest.mark.parametrize(
    ("asked", "finished", "expected"),
    [
        (1, {}, ("error",)),
        (1, {0: "stop"}, ("stop",)),
        (3, {1: "length"}, ("error", "length", "error")),
        (1, {0: "stop", 5: "length"}, ("stop", "length")),
        (2, {7: "stop"}, ("error", "error", "stop")),
        (1_000_000_000, {}, ("error",) * 128),
        (-1, {}, ("error",)),
        ("two", {}, ("error",)),
    ],
)
def test_a_bad_end_says_error_where_a_finish_reason_is_missing(asked, finished, expected):
    """Position for position, and never more positions than somebody could have meant."""

    def tell(stream):
        for index, reason in finished.items():
            stream.finish(reason, index)
        stream.status = 500

    assert ended(of_choices(asked), tell=tell)["gen_ai.response.finish_reasons"] == expected


def test_a_good_end_makes_no_finish_reasons_up():
    assert "gen_ai.response.finish_reasons" not in ended(tell=lambda stream: stream.done())
    assert ended(of_choices(2), tell=lambda stream: stream.finish("stop"))[
        "gen_ai.response.finish_reasons"
    ] == ("stop",)


@pytest.mark.parametrize(
    "limits",
    [
        SpanLimits(),
        SpanLimits(max_attributes=4),
        SpanLimits(max_attribute_length=2),
        SpanLimits(max_attributes=2),
    ],
)
@pytest.mark.parametrize("found", [{"a": "text", "b": 1, "c": 0.5, "d": ("x", "y")}, {"a": ["x"], "b": b"y"}])
def test_a_span_gets_what_the_sdk_would_have_set(limits, found):
    tracer = TracerProvider(span_limits=limits).get_tracer("test")
    ours, theirs = (tracer.start_span("s", attributes={"before": 1, "a": "old"}) for _ in range(2))

    attributes.put(ours, found)
    theirs.set_attributes(found)

    assert dict(ours.attributes) == dict(theirs.attributes)
    assert ours.dropped_attributes == theirs.dropped_attributes


def test_only_what_the_sdk_would_have_to_look_into_is_handed_to_it(monkeypatch):
    span = TracerProvider().get_tracer("test").start_span("s")
    handed = []
    monkeypatch.setattr(span, "set_attributes", handed.append)

    attributes.put(span, {"a": 1, "b": ("x",)})
    attributes.put(span, {"c": [1]})

    assert handed == [{"c": [1]}]
    assert dict(span.attributes) == {"a": 1, "b": ("x",)}


def test_another_sdks_span_is_used_by_its_api():
    class Span(NonRecordingSpan):
        def set_attributes(self, attributes):
            self.found = attributes

    span = Span(INVALID_SPAN_CONTEXT)

    attributes.put(span, {"a": 1})

    assert span.found == {"a": 1}
