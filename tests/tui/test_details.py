from __future__ import annotations

import pytest
from telling import Told

from otel_stream.tui.details import details, link_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def shown(told, request_id="req_1", **options):
    lines = details(told.row(request_id), told.model, told.now, **options)
    return {line.label: line.value for line in lines}


def test_all_that_is_known_of_a_stream_that_ended():
    told = Told().snapshot().started(
        provider="openai", server_address="api.openai.com", agent_type="codex", tenant="acme",
        session_id="s1", call_id="c1", operation="chat", source="upstream", trace_id=TRACE, span_id=SPAN,
    )  # fmt: skip
    told.wait(0.5).said("abcd").wait(0.1).said("efgh").completed(
        input_tokens=1000, output_tokens=20, cost_usd=0.0123, response_model="gpt-4o-2024-08-06",
        cache_read_tokens=512, reasoning_tokens=7, cost_source="price_table", duration_s=0.6,
        finish_reasons=("stop",), response_id="chatcmpl-1", output_characters=8, chunks=2,
    )  # fmt: skip

    assert shown(told) == {
        "state": "✓ completed",
        "model": "gpt-4o → gpt-4o-2024-08-06",
        "provider": "openai at api.openai.com",
        "time": "0.60s in all, first token 0.50s",
        "tokens": "1,000 in, 20 out, 512 cached, 7 thought",
        "cost": "$0.0123 (price_table)",
        "chunks": "2, 8 characters",
        "gaps": "108ms/108ms (50 %/95 %)",
        "who": "codex@acme",
        "session": "s1",
        "trace": TRACE,
        "request": "req_1",
        "call": "c1",
        "span": SPAN,
        "operation": "chat",
        "began": shown(told)["began"],
        "gateway": "demo-gateway 4711",
        "seen at": "upstream",
        "finish": "stop",
        "response": "chatcmpl-1",
    }


def test_what_is_not_known_is_left_out():
    known = "state model time tokens cost chunks request began gateway"

    assert list(shown(Told().started())) == known.split()


def test_why_a_stream_failed_is_near_the_top():
    told = Told().started().failed(message="no\x1b[2J more", error_type="rate_limit_error")

    assert list(shown(told).items())[:3] == [
        ("state", "✗ error"),
        ("error", "rate_limit_error"),
        ("message", "no·[2J more"),
    ]


def test_estimates_are_marked():
    told = Told().started().said("abcd")
    told.snapshot(told.state(sequence=1, chunks=1, characters=4, input_tokens=90, cost_usd=0.5))

    assert shown(told)["tokens"] == "~90 in, ~1 out"
    assert shown(told)["cost"] == "~$0.5000"


def test_a_gateway_nobody_knows_and_events_that_were_missed():
    told = Told().started().lagged(1234)
    assert shown(told)["missed"] == "1,234 events of this gateway"

    told.model.forget("4711")

    assert shown(told)["gateway"] == "4711"


@pytest.mark.parametrize(
    ("trace_id", "span_id", "url", "link"),
    [
        (TRACE, SPAN, "http://x/{trace_id}/{span_id}", f"http://x/{TRACE}/{SPAN}"),
        (TRACE, "'><script>", "http://x/{trace_id}/{span_id}", f"http://x/{TRACE}/"),
        ("javascript:alert(1)", SPAN, "http://x/{trace_id}", ""),
        (None, None, "http://x/{trace_id}", ""),
        (TRACE, SPAN, "", ""),
    ],
)
def test_links_are_made_of_well_formed_ids_only(trace_id, span_id, url, link):
    told = Told().started(trace_id=trace_id, span_id=span_id)

    assert link_of(told.row("req_1"), url) == link
