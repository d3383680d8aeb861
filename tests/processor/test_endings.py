"""How a stream of others ended: what their span says, and what is told by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from otel_stream.events import Completed, Error
from otel_stream.meaning import Usage
from otel_stream.pricing import Price
from otel_stream.processor import endings
from otel_stream.processor.others import OtherStream

SECOND = 1_000_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}


class Case:
    """A span from second 1 to second 3, and the stream that is made of it."""

    def __init__(self, attributes=None, *, status=None, by_hand=False):
        self.span = (
            TracerProvider()
            .get_tracer("another")
            .start_span("chat", attributes={**CHAT, **(attributes or {})}, start_time=SECOND)
        )
        if status is not None:
            self.span.set_status(status)
        self.stream = OtherStream(self.span)
        if by_hand:
            self.stream.begin({"request_id": "r"}, SECOND)

    def closed(self, price=None):
        self.span.end(3 * SECOND)
        return endings.closed(self.stream, self.span, price)

    def told(self, name, fields, price=None):
        return endings.told(
            self.stream, self.span, f"otel_stream.{name}", {**fields, "time_unix_nano": 2 * SECOND}, price
        )


def error(description=None):
    return Status(StatusCode.ERROR, description)


@pytest.mark.parametrize(
    ("error_type", "description", "outcome", "message"),
    [
        ("openai.RateLimitError", "slow down", "error", "slow down"),
        (None, None, "error", "_OTHER"),
        ("429", None, "error", "429"),
        ("asyncio.exceptions.CancelledError", "", "cancelled", "asyncio.exceptions.CancelledError"),
        ("GeneratorExit", None, "cancelled", "GeneratorExit"),
        ("httpx.ReadTimeout", "", "timeout", "httpx.ReadTimeout"),
        ("openai.APITimeoutError", "timed out", "timeout", "timed out"),
        ("_OTHER", "abandoned stream", "abandoned", "abandoned stream"),
    ],
)
def test_status_error_is_an_error_of_the_kind_its_type_names(error_type, description, outcome, message):
    attributes = {} if error_type is None else {"error.type": error_type}

    event = Case(attributes, status=error(description)).closed()

    assert (type(event), event.outcome, event.message) == (Error, outcome, message)
    assert event.error_type == (error_type or "_OTHER")


@pytest.mark.parametrize(
    ("attributes", "status", "by_hand", "outcome"),
    [
        ({}, None, False, "completed"),
        ({}, Status(StatusCode.OK), True, "completed"),
        ({"gen_ai.response.finish_reasons": ["stop"]}, None, True, "completed"),
        ({"gen_ai.usage.output_tokens": 1}, None, True, "completed"),
        ({"gen_ai.response.finish_reasons": ["error"]}, None, False, "cancelled"),
        ({}, None, True, "incomplete"),
    ],
)
def test_without_an_error_what_the_span_knows_decides(attributes, status, by_hand, outcome):
    event = Case(attributes, status=status, by_hand=by_hand).closed()

    assert event.outcome == outcome
    assert isinstance(event, Completed) is (outcome == "completed")


def test_an_error_carries_the_tokens_that_were_billed():
    event = Case({"gen_ai.usage.output_tokens": 7}, status=error("reset")).closed()

    assert (event.output_tokens, event.usage_source) == (7, "provider")


def test_times_are_the_spans_where_nobody_told_them():
    event = Case({"gen_ai.response.time_to_first_chunk": 0.5}).closed()

    assert (event.time_unix_nano, event.duration_s, event.time_to_first_token_s) == (3 * SECOND, 2.0, 0.5)
    assert event.chunks is None


def test_times_and_counts_are_ours_where_deltas_were_told():
    case = Case(by_hand=True)
    case.stream.delta({"text": "Hello"}, SECOND + SECOND // 4, with_text=True)

    event = case.told("completed", {})

    assert (event.duration_s, event.time_to_first_token_s) == (1.0, 0.25)
    assert (event.chunks, event.output_characters, event.sequence) == (1, 5, 2)


def test_what_is_told_by_hand_wins_over_the_span():
    case = Case({"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 2}, by_hand=True)

    event = case.told("completed", {"output_tokens": 20, "duration_s": 9.0})

    assert (event.input_tokens, event.output_tokens, event.duration_s) == (1, 20, 9.0)


def test_completed_by_hand_is_completed_whatever_it_says():
    event = Case(by_hand=True).told("completed", {"outcome": "error"})

    assert (type(event), event.outcome) == (Completed, "completed")


def test_an_error_by_hand_needs_no_message():
    event = Case(by_hand=True).told("error", {"outcome": "cancelled"})

    assert (event.message, event.outcome) == ("failed", "cancelled")


def test_tokens_are_priced_unless_the_cost_was_told():
    asked = []

    def price(**given):
        asked.append(given)
        return Price(Decimal("0.5"), "price_table")

    attributes = {"gen_ai.usage.input_tokens": 10, "gen_ai.response.model": "gpt-4o-2024"}
    counted = Case(attributes).closed(price)
    told = Case(attributes, by_hand=True).told("completed", {"cost_usd": 0.25}, price)
    nothing = Case().closed(price)

    assert (counted.cost_usd, counted.cost_source) == (0.5, "price_table")
    assert (told.cost_usd, told.cost_source) == (0.25, None)
    assert (nothing.cost_usd, nothing.cost_source, nothing.usage_source) == (None, None, "none")
    assert asked == [
        {"provider": "openai", "model": "gpt-4o-2024", "request_model": "gpt-4o", "usage": Usage(10)}
    ]


def test_a_span_given_up_is_abandoned():
    case = Case(by_hand=True)
    case.stream.delta({"text": "Hello"}, 2 * SECOND, with_text=True)

    event = endings.abandoned(case.stream)

    assert (type(event), event.outcome, event.error_type) == (Error, "abandoned", "_OTHER")
    assert (event.request_id, event.sequence, event.chunks) == ("r", 2, 1)
