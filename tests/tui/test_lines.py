from __future__ import annotations

import time

import pytest
from telling import Told

from otel_stream.tui import lines


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def begun():
    return Told().started("req_89abcdef", "gpt-4o", agent_type="codex", tenant="acme")


def test_a_beginning():
    told = begun()

    assert lines.started(told.row("req_89abcdef")) == "22:13:20.000 ▶ 89abcdef gpt-4o codex@acme started"


def test_a_good_end():
    told = (
        begun()
        .wait(1.5)
        .completed("req_89abcdef", 1000, 20, 0.0123, duration_s=1.5, time_to_first_token_s=0.4)
    )

    assert lines.ended(told.row("req_89abcdef"), told.now) == (
        "22:13:21.500 ✓ 89abcdef gpt-4o codex@acme completed: 1.50s, first token 0.40s,"
        " 1,000 → 20 tokens, $0.0123"
    )


def test_a_bad_end_tells_why_and_what_is_estimated():
    told = begun().failed(
        "req_89abcdef", "no\nmore", "timeout", error_type="timeout", output_tokens=9, usage_source="estimated"
    )

    assert lines.ended(told.row("req_89abcdef"), told.now) == (
        "22:13:20.000 ✗ 89abcdef gpt-4o codex@acme timeout: 0.00s, ~0 → 9 tokens, timeout: no more"
    )


def test_an_end_nobody_saw():
    told = begun()
    told.snapshot()

    assert lines.ended(told.row("req_89abcdef"), told.now).endswith("? 89abcdef gpt-4o codex@acme lost")


def test_a_bad_end_may_have_no_type():
    told = begun().failed("req_89abcdef", "gone", "cancelled")

    assert lines.ended(told.row("req_89abcdef"), told.now).endswith(
        "⊘ 89abcdef gpt-4o codex@acme cancelled: 0.00s, gone"
    )


def test_streams_in_flight():
    told = begun().wait(2)
    waiting = lines.in_flight(told.row("req_89abcdef"), told.now)
    told.said("a" * 40, "req_89abcdef")
    told.snapshot(told.state("req_89abcdef", sequence=1, chunks=1, characters=40, cost_usd=0.5))

    assert waiting == "22:13:22.000 ○ 89abcdef gpt-4o codex@acme waiting: 2.00s, 0 tokens"
    assert lines.in_flight(told.row("req_89abcdef"), told.now) == (
        "22:13:22.000 ● 89abcdef gpt-4o codex@acme streaming: 2.00s, first token 2.00s, ~10 tokens, ~$0.5000"
    )


def test_text_is_harmless():
    row = begun().row("req_89abcdef")

    assert lines.said(row, "output", "a\x1b[2J\nb", 0) == "00:00:00.000 │ 89abcdef a·[2J b"
    assert lines.said(row, "reasoning", "hm", 0) == "00:00:00.000 │ 89abcdef reasoning hm"
    assert lines.note("odd\x07", 0) == "00:00:00.000 • odd·"
