from __future__ import annotations

from decimal import Decimal

from recorded import BODY, REQUEST, URL

from otel_stream.inspection.exchanges import Exchange
from otel_stream.inspection.report import MAX_SHOWN, report
from otel_stream.pricing import UNPRICED, Price
from otel_stream.testing import replay


def lines(body=BODY, price=UNPRICED, status=200, *, url=URL, kind="text/event-stream", **options):
    found = replay(
        url=url,
        request_json=REQUEST,
        status=status,
        response_headers={"content-type": kind},
        chunks=[body],
    )
    return report(Exchange(url, body, status=status), found, price, **options)


def chunk(delta):
    return b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":' + delta + b"}]}\n\n"


def test_what_was_understood():
    assert lines(price=Price(Decimal("0.0000425"), "price_table")) == [
        f"POST {URL} → 200",
        "  format        openai_chat, openai, chat",
        "  model         gpt-4o → gpt-4o-2024-08-06",
        "  outcome       completed",
        "  finish        stop",
        "  tokens        9 input, 2 output",
        "  cost          $0.0000425 (price_table)",
        "  response      chatcmpl-1",
        "  pieces        1 of 5 characters of answer",
        "  answer",
        "    Hello",
    ]


def test_what_is_no_llm_call():
    assert lines(b"<html>", url="https://example.com/", kind="text/html") == [
        "POST https://example.com/ → 200",
        "  no LLM call: left alone",
    ]


def test_an_error_is_told():
    told = lines(b'{"error":{"type":"rate_limit_error","message":"slow\\u001b[2J down"}}', status=429, kind="application/json")  # fmt: skip  # noqa: E501

    assert "  error         rate_limit_error: slow·[2J down" in told
    assert "  tokens        not reported" in told
    assert "  cost          no price is known" in told


def test_thinking_and_tool_calls_are_shown():
    body = chunk(b'{"reasoning_content":"hm\\nhm"}') + chunk(
        b'{"tool_calls":[{"index":0,"id":"t","function":{"name":"find","arguments":"{}"}}]}'
    )

    assert lines(body)[-4:] == ["  thinking", "    hm", "    hm", "  tool call     find {}"]


def test_long_texts_are_cut_unless_all_is_asked_for():
    body = chunk(b'{"content":"' + b"x" * (MAX_SHOWN + 5) + b'"}')

    assert lines(body)[-1] == "    … 5 more characters; --whole shows them"
    assert lines(body, whole=True)[-1] == "    " + "x" * (MAX_SHOWN + 5)
