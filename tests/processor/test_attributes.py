"""The dialects of other instrumentations, and the fields of events told by hand."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from otel_stream.meaning import Usage
from otel_stream.processor import attributes as read


class Bare(ReadableSpan):
    """A span of somebody's own make, whose attributes are a plain dict, or missing."""

    def __init__(self, found):
        super().__init__("x")
        self.found = found

    @property
    def attributes(self):
        return self.found


@pytest.mark.parametrize(("found", "expected"), [({"k": 1}, {"k": 1}), (None, {}), ({}, {})])
def test_attributes_of_any_span_are_read(found, expected):
    assert read.of(Bare(found)) == expected


def test_attributes_are_those_of_the_moment():
    span = TracerProvider().get_tracer("t").start_span("x", attributes={"k": 1})

    before = read.of(span)
    span.set_attribute("k", 2)

    assert (before, read.of(span)) == ({"k": 1}, {"k": 2})


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "text_completion"}, True),
        ({"gen_ai.operation.name": "something_new"}, True),
        ({"gen_ai.operation.name": "embeddings"}, False),
        ({"gen_ai.operation.name": "search_memory"}, False),
        ({"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"}, False),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "EMBEDDING"}, False),
        ({"llm.request.type": "completion"}, True),
        ({"llm.request.type": "embedding"}, False),
        ({"gen_ai.request.model": "gpt-4o"}, False),
        ({}, False),
    ],
)
def test_an_llm_call_is_known_in_three_dialects(attributes, expected):
    assert read.is_llm_call(attributes) is expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.operation.name": "generate_content"}, "generate_content"),
        ({"openinference.span.kind": "LLM"}, "chat"),
        ({"llm.request.type": "completion"}, "text_completion"),
        ({}, None),
    ],
)
def test_the_operation_is_in_the_conventions_words(attributes, expected):
    assert read.operation(attributes) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 40,
            "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.usage.reasoning.output_tokens": 5,
        },
        {
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 20,
            "llm.token_count.prompt_details.cache_read": 40,
            "llm.token_count.prompt_details.cache_write": 10,
            "llm.token_count.completion_details.reasoning": 5,
        },
        {
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 20,
            "gen_ai.usage.cache_read_input_tokens": 40,
            "gen_ai.usage.cache_creation_input_tokens": 10,
            "llm.usage.reasoning_tokens": 5,
        },
    ],
)
def test_tokens_are_read_in_three_dialects(attributes):
    assert read.usage(attributes) == Usage(100, 20, 40, 10, 5)


def test_a_span_without_tokens_has_no_usage():
    assert read.usage({"gen_ai.request.model": "gpt-4o"}) is None
    assert read.usage({"gen_ai.usage.output_tokens": 0}) == Usage(output_tokens=0)


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3), ("3", 3), (3.0, 3), (3.5, None), ("many", None), ((1,), None)]
)
def test_a_number_is_taken_where_it_is_one(value, expected):
    assert read.first({"n": value}, ("n",), int) == expected


def test_the_next_name_is_read_where_the_first_makes_no_sense():
    assert read.first({"a": "x", "b": 2}, ("a", "b"), int) == 2


def test_fields_are_read_with_and_without_our_prefix():
    told = {"otel_stream.request_id": "r", "model": "m", "app.user": "u", "tenant": None}

    assert read.event_fields("otel_stream.started", told) == {"request_id": "r", "model": "m"}


def test_numbering_and_identity_are_ours_to_say():
    told = {"sequence": 7, "trace_id": "x", "span_id": "y", "time_unix_nano": 1, "text": "a"}

    assert read.event_fields("otel_stream.text_delta", told) == {"text": "a"}


def test_an_event_may_come_without_attributes():
    assert read.event_fields("otel_stream.completed", None) == {}


def test_lists_become_what_the_event_has():
    found = read.event_fields("otel_stream.completed", {"finish_reasons": ["stop"], "cost_usd": 1})

    assert found == {"finish_reasons": ("stop",), "cost_usd": 1.0}


def test_words_outside_a_closed_set_are_left_out():
    assert read.event_fields("otel_stream.text_delta", {"channel": "music"}) == {}
    assert read.finish_reasons({"gen_ai.response.finish_reasons": ()}) is None
