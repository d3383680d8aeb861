"""Other instrumentations: their suppression keys and their spans are respected."""

from __future__ import annotations

import contextlib

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

from otel_stream import foreign


@pytest.fixture
def tracer():
    return TracerProvider().get_tracer("another.instrumentation")


@contextlib.contextmanager
def suppress_language_models():
    token = context.attach(context.set_value("suppress_language_model_instrumentation", True))
    yield
    context.detach(token)


@pytest.mark.parametrize(
    "suppress", [suppress_instrumentation, suppress_http_instrumentation, suppress_language_models]
)
def test_suppression_is_respected(suppress):
    with suppress():
        suppressed = foreign.suppressed()

    assert (suppressed, foreign.suppressed()) == (True, False)


@pytest.mark.parametrize(
    ("attributes", "genai"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "CHAIN"}, False),
        ({"llm.request.type": "chat"}, True),
        ({"http.request.method": "POST"}, False),
        ({}, False),
    ],
)
def test_a_genai_span_is_known_by_its_attributes(tracer, attributes, genai):
    span = tracer.start_span("x", attributes=attributes)

    assert foreign.is_genai(span) is genai
    span.end()


def test_a_span_that_records_nothing_covers_nothing():
    assert foreign.is_genai(trace.INVALID_SPAN) is False


@pytest.mark.parametrize(("mode", "covered"), [("skip", True), ("enrich", False), ("separate", False)])
def test_only_the_setting_skip_leaves_a_call_to_the_other_span(tracer, mode, covered):
    with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}):
        assert foreign.covered(mode) is covered
