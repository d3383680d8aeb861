"""The plain text models of Bedrock; test_bedrock_invoke.py has one stream of each."""

from __future__ import annotations

from meant import Meant, meant

from otel_stream.framing import Payload
from otel_stream.wire.bedrock_text import BedrockText


def test_several_texts_are_choices():
    found = meant(BedrockText, {"outputs": [{"text": "a"}, {"text": "b", "stop_reason": "stop"}]})

    assert found.calls == [
        ("delta", ("a", "output", 0), {}),
        ("delta", ("b", "output", 1), {}),
        ("finish", ("stop", 1), {}),
    ]


def test_whole_numbers_may_be_written_as_fractions():
    found = meant(
        BedrockText,
        {"outputText": "a", "index": 0.0, "totalOutputTextTokenCount": 3.0, "inputTextTokenCount": 6.0},
    )

    assert [(u.input_tokens, u.output_tokens) for u in found.told("usage")] == [(6, 3)]


def test_what_is_no_object_is_skipped():
    found = Meant()
    BedrockText(found).feed(Payload(b"[1]"))

    assert found.told("skip") == ["frame"]


def test_jurassic_wraps_its_text():
    answer = {"data": {"text": "a", "tokens": []}, "finishReason": {"reason": "endoftext"}}

    found = meant(BedrockText, {"id": 7, "prompt": {"text": "?"}, "completions": [answer]})

    assert found.calls == [("delta", ("a", "output", 0), {}), ("finish", ("endoftext", 0), {})]
