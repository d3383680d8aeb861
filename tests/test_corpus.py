"""The recordings are whole, and the comparison that judges the formats notices what it should."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import corpus
import expectations
import pytest

from otel_stream.events import TextDelta


def test_everything_the_index_names_is_there():
    index = corpus._load("index.json")

    assert len(corpus.streams()) == index["n_streams"]
    assert len(corpus.adversarial()) == index["n_adversarial"]
    assert len(corpus.http_errors()) == index["n_http_errors"]
    assert len(corpus.sse_format_cases()) == index["n_sse_format_cases"]


def test_bodies_are_the_bytes_that_were_recorded():
    for case in corpus.streams():
        assert hashlib.sha256(case.body).hexdigest() == case.response["body_sha256"], case.id


def test_every_way_of_cutting_gives_all_of_the_body():
    for case in corpus.adversarial("openai.chat", "anthropic.messages"):
        for name, pieces in case.pieces():
            assert b"".join(pieces) == case.body, (case.id, name)
        assert b"".join(case.cut_at_random(1)) == case.body
        assert case.cut_at_random(1) == case.cut_at_random(1)


def test_cases_can_be_chosen():
    assert {c.api for c in corpus.streams("openai.chat")} == {"openai.chat"}
    assert {c.framing for c in corpus.streams(framing="ndjson")} == {"ndjson"}
    assert {c.category for c in corpus.adversarial(category="bom")} == {"bom"}
    assert corpus.stream("openai-chat-001").request["json"]["model"] == "gpt-3.5-turbo"


def test_a_case_without_a_base_borrows_a_request_of_its_api():
    (case,) = (c for c in corpus.adversarial(category="choices") if c.id == "adv-d-214")

    assert case.replay_arguments()["url"] == corpus.streams("openai.chat")[0].request["url"]


def perfect(case: corpus.Case) -> SimpleNamespace:
    """What `replay` would return if all went well."""
    expected = case.expected
    usage = {ours: expected["usage"][name] for name, ours in expectations.USAGE_NAMES.items()}
    deltas = [TextDelta("r", "", channel) for channel in ("output", "reasoning")]
    counts = [expected["n_text_deltas"], expected["n_reasoning_deltas"]]
    same = (
        "text",
        "reasoning_text",
        "tool_calls",
        "response_id",
        "response_model",
        "finish_reasons",
        "error",
    )
    return SimpleNamespace(
        events=[delta for delta, count in zip(deltas, counts, strict=True) for _ in range(count)],
        usage=SimpleNamespace(**usage),
        outcome=expected["outcome"],
        **{name: expected[name] for name in same},
    )


def test_what_is_as_expected_differs_in_nothing():
    for case in corpus.streams("openai.chat", "anthropic.messages"):
        if case.expected["usage"] and "text_by_choice" not in case.expected:
            assert expectations.differences(case, perfect(case)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "Why not"),
        ("reasoning_text", "Hm"),
        ("tool_calls", [{"id": "1", "name": "n", "arguments": ""}]),
        ("response_id", None),
        ("response_model", "gpt-5"),
        ("finish_reasons", []),
        ("finish_reasons", None),
        ("outcome", "incomplete"),
        ("error", {"type": None, "code": None, "message": "no"}),
        ("usage", None),
        ("events", []),
    ],
)
def test_a_wrong_value_is_a_difference(name, value):
    case = corpus.stream("openai-chat-001")
    replay = perfect(case)
    setattr(replay, name, value)

    (line,) = expectations.differences(case, replay)

    assert line.startswith("openai-chat-001 ")


def test_counts_nobody_reported_may_be_zero_but_not_invented():
    case = corpus.stream("openai-chat-001")
    replay = perfect(case)

    replay.usage.cache_read_tokens = 0
    assert expectations.differences(case, replay) == []
    replay.usage.cache_read_tokens = 7
    assert len(expectations.differences(case, replay)) == 1


def test_other_defensible_numbers_are_accepted():
    case = corpus.stream("anthropic-messages-032")
    replay = perfect(case)
    replay.usage.input_tokens, replay.usage.output_tokens = 7455, 7271

    assert expectations.differences(case, replay) == []
