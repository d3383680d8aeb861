"""Who is asking: each source in its order, and what is done to hostile values."""

from __future__ import annotations

import pytest

from otel_stream import attribution
from otel_stream.identity import Who

SOURCES = {
    "x-agent-type": "header",
    "x-litellm-agent-id": "litellm",
    "x-mlflow-gateway-caller": "mlflow",
    "x-litellm-tags": "team:core, agent:tagged ,agent:second",
    "user-agent": "claude-cli/2.0.1 (external, cli)",
}


def identify(headers=None, baggage=None, metadata=None, given=None):
    return attribution.identify(headers or {}, baggage or {}, metadata or {}, given or Who())


def test_agent_types_are_taken_from_the_first_source_that_has_one():
    headers = dict(SOURCES)
    baggage = {"agent.type": "bag", "gen_ai.agent.name": "named"}
    metadata = {"agent_type": "body"}
    seen = [identify(headers, baggage, metadata, Who(agent_type="api")).agent_type]
    seen.append(identify(headers, baggage, metadata).agent_type)
    del headers["x-agent-type"]
    for name in tuple(baggage):
        seen.append(identify(headers, baggage, metadata).agent_type)
        del baggage[name]
    for name in ("x-litellm-agent-id", "x-mlflow-gateway-caller"):
        seen.append(identify(headers, baggage, metadata).agent_type)
        del headers[name]
    seen.append(identify(headers, baggage, metadata).agent_type)
    for name in ("x-litellm-tags", "user-agent"):
        seen.append(identify(headers).agent_type)
        del headers[name]
    seen.append(identify(headers).agent_type)

    assert seen == [
        "api", "header", "bag", "named", "litellm", "mlflow", "body", "tagged", "claude-cli", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("user_agent", "agent_type"),
    [
        ("curl/8.5.0", "curl"),
        ("codex_cli_rs/0.45.0 (Ubuntu 24.4)", "codex"),
        ("Codex Desktop/1.2", "codex"),
        ("codexplorer/1", "codexplorer"),
        ("AsyncOpenAI/Python 3.54", "AsyncOpenAI"),
        ("(none)", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_user_agent_counts_by_its_first_product(user_agent, agent_type):
    assert identify({"user-agent": user_agent}).agent_type == agent_type


def test_tags_without_an_agent_say_nothing():
    assert identify({"x-litellm-tags": "prod,agent:"}).agent_type == "unknown"


def test_tenants_come_from_header_then_baggage_then_metadata():
    header, baggage, metadata = {"x-tenant-id": "acme"}, {"tenant.id": "bag"}, {"tenant_id": "body"}

    assert [
        identify(header, baggage, metadata, Who(tenant="api")).tenant,
        identify(header, baggage, metadata).tenant,
        identify({}, baggage, metadata).tenant,
        identify({}, {}, metadata).tenant,
        identify({}, {}, {"tenant": "short"}).tenant,
        identify({"authorization": "Bearer sk-secret", "x-api-key": "sk-secret"}).tenant,
    ] == ["api", "acme", "bag", "body", "short", None]


def test_sessions_follow_litellms_order():
    headers = {
        "x-litellm-trace-id": "trace-1",
        "x-litellm-session-id": "session-2",
        "x-claude-code-session-id": "0199-claude-3",
        "session-id": "codex-4",
        "thread-id": "codex-5",
        "x-session-id": "general-6",
        "x-parent-session-id": "0199-parent",
        "user-agent": "codex_cli_rs/0.45",
    }
    seen = [identify(headers, given=Who(session_id="api")).session_id]
    for name in list(headers)[:6]:
        seen.append(identify(headers).session_id)
        del headers[name]
    seen.append(identify(headers).session_id)

    assert seen == [
        "api", "trace-1", "session-2", "0199-claude-3", "codex-4", "codex-5", "general-6", None,
    ]  # fmt: skip


def test_bare_session_names_count_for_codex_only():
    assert identify({"session-id": "somebodys", "user-agent": "curl/8"}).session_id is None


@pytest.mark.parametrize("value", ["short", "has blanks in it", "", "{{session}}"])
def test_a_vendors_session_must_look_like_an_id(value):
    assert identify({"x-acme-session-id": value}).session_id is None


def test_call_ids_are_the_gateways_own():
    headers = {"x-request-id": "req-1", "x-litellm-call-id": "call-2"}

    assert [
        identify(headers, given=Who(call_id="api")).call_id,
        identify(headers).call_id,
        identify({"x-litellm-call-id": "call-2"}).call_id,
        identify().call_id,
    ] == ["api", "req-1", "call-2", None]


@pytest.mark.parametrize(("value", "private"), [("1", True), (" True ", True), ("0", False), ("", False)])
def test_a_header_asks_for_privacy(value, private):
    assert identify({"x-otel-stream-private": value}).private is private


def test_the_api_asks_for_privacy():
    assert identify(given=Who(private=True)).private is True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * 1000, "a" * 128),
        ("a\x1b[31m\x00b\r\n\u202ec\u2028", "a[31mbc"),
        ("  padded  ", "padded"),
        ("\x00\x1f", None),
        ("", None),
        (7, None),
        (None, None),
        (["list"], None),
    ],
)
def test_values_are_printable_and_short(value, text):
    assert attribution.clean(value) == text
