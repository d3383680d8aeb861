"""The words for how a stream ended; the table itself is tested through the recorder."""

from __future__ import annotations

import pytest

from otel_stream.meaning import Failure
from otel_stream.outcome import class_name, error_type_of, message_of


class CustomError(Exception):
    pass


def test_a_class_name_is_qualified_but_for_builtins():
    assert (class_name(ValueError()), class_name(CustomError())) == ("ValueError", f"{__name__}.CustomError")


@pytest.mark.parametrize(
    ("outcome", "failure", "status", "error", "message"),
    [
        ("error", Failure("t", None, "Overloaded"), 529, None, "Overloaded"),
        ("error", Failure("t", None, None), 529, None, "HTTP 529"),
        ("error", None, 0, ValueError("boom"), "boom"),
        ("error", None, 0, ValueError(), "ValueError"),
        ("timeout", None, 200, None, "timed out"),
        ("incomplete", None, 200, ValueError("not the cause"), "the body ended without the API's end signal"),
    ],
)
def test_the_message_is_the_most_telling_there_is(outcome, failure, status, error, message):
    assert message_of(outcome, failure, status, error) == message


def test_a_message_is_cut_to_length():
    assert len(message_of("error", Failure(None, None, "x" * 9999), 500, None)) == 1024


@pytest.mark.parametrize(
    ("outcome", "failure", "status", "error", "kind"),
    [
        ("error", Failure("rate_limit_error", "429", None), 429, None, "rate_limit_error"),
        ("error", Failure(None, "server_busy", None), 503, None, "server_busy"),
        ("error", Failure(None, None, None), 503, None, "503"),
        ("error", Failure(None, None, "x"), 200, None, "_OTHER"),
        ("error", None, 0, CustomError(), f"{__name__}.CustomError"),
        ("timeout", None, 0, None, "timeout"),
        ("cancelled", Failure("x", None, None), 0, CustomError(), None),
    ],
)
def test_the_error_type_is_of_low_cardinality(outcome, failure, status, error, kind):
    assert error_type_of(outcome, failure, status, error) == kind
