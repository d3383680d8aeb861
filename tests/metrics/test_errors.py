"""Everybody's names for errors, in eleven words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.events import OUTCOMES
from otel_stream.metrics.errors import ERROR_TYPES, classify


@pytest.mark.parametrize(
    ("error_type", "status", "expected"),
    [
        ("rate_limit_error", 429, "rate_limit"),  # Anthropic
        ("rate_limit_exceeded", None, "rate_limit"),  # OpenAI, in the stream
        ("insufficient_quota", 429, "rate_limit"),
        ("ThrottlingException", None, "rate_limit"),  # Bedrock
        ("RESOURCE_EXHAUSTED", 429, "rate_limit"),  # Gemini
        ("429", None, "rate_limit"),
        ("overloaded_error", None, "overloaded"),  # Anthropic, in the stream
        ("overloaded_error", 529, "overloaded"),
        ("ServiceUnavailableException", None, "overloaded"),
        ("UNAVAILABLE", 503, "overloaded"),
        ("authentication_error", 401, "auth"),
        ("invalid_request_error", 401, "auth"),  # OpenAI's type for a wrong key
        ("permission_error", 403, "auth"),
        ("AccessDeniedException", None, "auth"),
        ("invalid_api_key", None, "auth"),
        ("invalid_request_error", 400, "bad_request"),
        ("context_length_exceeded", None, "bad_request"),
        ("ValidationException", None, "bad_request"),
        ("request_too_large", 413, "bad_request"),
        ("INVALID_ARGUMENT", 400, "bad_request"),
        (None, 422, "bad_request"),
        ("not_found_error", 404, "not_found"),
        ("model_not_found", None, "not_found"),
        ("invalid_request_error", 404, "not_found"),
        ("api_error", None, "server_error"),
        ("server_error", None, "server_error"),
        ("InternalServerException", None, "server_error"),
        ("502", None, "server_error"),
        (None, 500, "server_error"),
        ("httpx.ConnectError", None, "connection"),
        ("httpx.ReadError", None, "connection"),
        ("aiohttp.client_exceptions.ServerDisconnectedError", None, "connection"),
        ("ConnectionResetError", None, "connection"),
        ("ssl.SSLCertVerificationError", None, "connection"),
        ("httpx.ReadTimeout", None, "timeout"),
        ("httpx.ConnectTimeout", None, "timeout"),
        ("TimeoutError", None, "timeout"),
        ("DEADLINE_EXCEEDED", 504, "timeout"),
        ("content_filter", 400, "content_filter"),  # Azure
        ("content_policy_violation", 400, "content_filter"),
        ("httpx.RemoteProtocolError", None, "protocol"),
        ("aiohttp.client_exceptions.ClientPayloadError", None, "protocol"),
        ("json.decoder.JSONDecodeError", None, "protocol"),
        ("_OTHER", None, "other"),
        (None, None, "other"),
        (None, 200, "other"),
        ("builtins.KeyError", 200, "other"),
    ],
)
def test_a_providers_word_becomes_one_of_ours(error_type, status, expected):
    assert classify(error_type, status, "error") == expected


@pytest.mark.parametrize(
    ("outcome", "expected"), [("timeout", "timeout"), ("incomplete", "protocol"), ("abandoned", "other")]
)
def test_some_outcomes_say_what_it_was(outcome, expected):
    assert classify("_OTHER", None, outcome) == expected


@given(st.none() | st.text(), st.none() | st.integers(), st.sampled_from(OUTCOMES))
def test_the_set_is_closed(error_type, status, outcome):
    assert classify(error_type, status, outcome) in ERROR_TYPES
