"""Names and the few rules that go with them."""

from __future__ import annotations

import re

import pytest

from otel_stream import semconv


def test_a_span_is_named_by_operation_and_model():
    assert semconv.span_name("chat", "gpt-4o") == "chat gpt-4o"


@pytest.mark.parametrize("model", ["", "unknown"])
def test_a_span_without_a_known_model_is_named_by_the_operation(model):
    assert semconv.span_name("chat", model) == "chat"


@pytest.mark.parametrize(
    ("outcome", "reported", "cancel_is_error", "expected"),
    [
        ("completed", None, False, None),
        ("completed", "left over", True, None),
        ("cancelled", None, False, None),
        ("cancelled", None, True, "cancelled"),
        ("error", "429", False, "429"),
        ("timeout", "httpx.ReadTimeout", False, "httpx.ReadTimeout"),
        ("abandoned", None, False, "_OTHER"),
        ("incomplete", "", False, "_OTHER"),
    ],
)
def test_error_type_is_there_exactly_when_the_end_is_an_error(outcome, reported, cancel_is_error, expected):
    assert semconv.error_type(outcome, reported, cancel_is_error=cancel_is_error) == expected


@pytest.mark.parametrize(
    ("session", "attributes", "ids", "expected"),
    [
        ("sess-1", {}, ("req_1", None), "sess-1"),
        (None, {}, (), None),
        ("req_1", {}, ("req_1", "call_1"), None),
        ("sess-1", {"gen_ai.conversation.id": "conv_1"}, (), None),
    ],
)
def test_a_conversation_is_never_made_up(session, attributes, ids, expected):
    """https://github.com/open-telemetry/semantic-conventions-genai: never a request id, never a trace id."""
    assert semconv.conversation_id(session, attributes, *ids) == expected


def test_buckets_are_those_of_the_conventions():
    assert [0.01 * 2**power for power in range(14)] == pytest.approx(semconv.DURATION_BUCKETS)
    assert tuple(4**power for power in range(14)) == semconv.TOKEN_BUCKETS


def test_our_own_names_stay_out_of_the_conventions_namespace():
    ours = {
        name: value
        for name, value in vars(semconv).items()
        if isinstance(value, str) and value.startswith("otel_stream")
    }

    assert set(ours.values()) >= semconv.EVENTS
    assert all(re.fullmatch(r"otel_stream(\.[a-z_]+)?", value) for value in ours.values())


def test_the_version_of_the_scope_is_the_packages():
    assert re.match(r"\d+\.\d+", semconv.scope_version())


def test_a_tree_that_was_never_installed_has_no_version(monkeypatch):
    def missing(name):
        raise semconv.PackageNotFoundError(name)

    monkeypatch.setattr(semconv, "version", missing)

    assert semconv.scope_version.__wrapped__() == ""
