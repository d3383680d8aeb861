"""The quirks of Gemini's generateContent."""

from __future__ import annotations

import json

import pytest
from answers import document, streamed
from meant import meant

from otel_stream.testing import replay
from otel_stream.wire.gemini_generate import GeminiGenerate

STUDIO = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
VERTEX = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro"
URL = f"{STUDIO}:streamGenerateContent?alt=sse"


def chunk(*parts, finish=None, index=None, **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}}
    candidate |= {"finishReason": finish} if finish else {}
    candidate |= {} if index is None else {"index": index}
    return {"candidates": [candidate], **more}


def call(**members):
    return chunk({"functionCall": members})


@pytest.mark.parametrize(
    ("url", "provider", "model", "streaming"),
    [
        (URL, "gcp.gemini", "gemini-2.5-flash", True),
        (f"{STUDIO}:generateContent", "gcp.gemini", "gemini-2.5-flash", False),
        (f"{VERTEX}:streamGenerateContent", "gcp.vertex_ai", "gemini-2.5-pro", True),
        (
            "http://gateway/v1/projects/p/locations/l/endpoints/77:streamGenerateContent",
            "gcp.vertex_ai",
            "77",
            True,
        ),
        (
            "http://gateway/gemini/v1beta/models/gemini-3:streamGenerateContent",
            "gcp.gemini",
            "gemini-3",
            True,
        ),
    ],
)
def test_a_call_is_recognised_by_its_path(url, provider, model, streaming):
    facts = replay(url=url, request_json={"contents": []}).facts

    assert (facts.provider, facts.model, facts.streaming, facts.operation) == (
        provider, model, streaming, "generate_content",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", URL), ("POST", f"{STUDIO}:countTokens"), ("POST", "http://h/streamGenerateContent")],
)
def test_other_requests_are_left_alone(method, url):
    assert replay(url=url, method=method, request_json={"contents": []}).recognised is False


def test_the_generation_config_is_read():
    config = {
        "temperature": 0.5, "topP": 0.9, "topK": 4, "maxOutputTokens": 9, "stopSequences": ["x"], "seed": 7,
        "candidateCount": 2, "responseMimeType": "application/json",
        "thinkingConfig": {"thinkingLevel": "LOW"},
        "frequencyPenalty": "high", "speechConfig": {},
    }  # fmt: skip

    found = replay(url=URL, request_json={"contents": [], "generationConfig": config}).facts.attributes

    assert found == {
        "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9, "gen_ai.request.top_k": 4,
        "gen_ai.request.max_tokens": 9, "gen_ai.request.stop_sequences": ["x"], "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2, "gen_ai.output.type": "json",
        "gen_ai.request.reasoning.level": "LOW",
    }  # fmt: skip


def test_thoughts_are_reasoning_and_candidates_are_choices():
    found = streamed(
        URL,
        chunk({"text": "Hm", "thought": True}, {"executableCode": {}}, {"text": "Hi", "thought": False}),
        chunk({"text": "Ho"}, index=1, finish="STOP"),
        chunk(finish="MAX_TOKENS"),
    )

    assert (found.reasoning_text, found.text, found.finish_reasons) == ("Hm", "HiHo", ["MAX_TOKENS", "STOP"])
    assert [(e.channel, e.index) for e in found.events[1:-1]] == [
        ("reasoning", 0),
        ("output", 0),
        ("output", 1),
    ]
    assert found.outcome == "completed"


def test_a_body_that_ends_without_a_finish_reason_is_incomplete():
    assert streamed(URL, chunk({"text": "Hi"})).outcome == "incomplete"


def test_an_array_is_read_as_it_arrives():
    body = json.dumps([chunk({"text": "a"}, responseId="r"), chunk({"text": "b"}, finish="STOP")], indent=2)

    found = replay(
        url=f"{STUDIO}:streamGenerateContent",
        request_json={"contents": []},
        response_headers={"Content-Type": "application/json"},
        chunks=[body.encode()[:60], body.encode()[60:]],
    )

    assert (found.text, found.response_id, found.outcome) == ("ab", "r", "completed")


def test_a_call_may_come_whole():
    found = streamed(URL, call(name="f", args={"a": 1}, id="1"), call(name="g"), chunk(finish="STOP"))

    assert found.tool_calls == [
        {"id": "1", "name": "f", "arguments": {"a": 1}},
        {"id": None, "name": "g", "arguments": ""},
    ]


def test_a_call_may_come_as_values_at_paths():
    found = streamed(
        URL,
        call(name="f", willContinue=True),
        call(partialArgs=[{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}], willContinue=True),
        call(partialArgs=[{"jsonPath": "$.a", "stringValue": "y"}], willContinue=True),
        call(
            partialArgs=[{"jsonPath": "$.b[0]", "numberValue": 1}, {"jsonPath": "$.b[1]", "boolValue": False}]
        ),
        call(name="g", partialArgs=[{"jsonPath": "$.c", "nullValue": None}], willContinue=True),
        call(name="h", args={}),
        call(),
        chunk(finish="STOP"),
    )

    assert [(c["name"], c["arguments"]) for c in found.tool_calls] == [
        ("f", {"a": "xy", "b": [1, False]}), ("g", {"c": None}), ("h", {}),
    ]  # fmt: skip


def test_a_call_cut_off_by_the_end_keeps_what_came():
    found = streamed(
        URL,
        call(
            name="f",
            partialArgs=[{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}],
            willContinue=True,
        ),
        chunk(finish="MAX_TOKENS"),
    )

    assert [c["arguments"] for c in found.tool_calls] == [{"a": "x"}]


def test_arguments_with_half_a_character_are_kept_as_text():
    found = streamed(
        URL, '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"\\ud83d"}}}]}}]}'
    )

    assert found.tool_calls == [{"id": None, "name": "f", "arguments": '{"a": "\\ud83d"}'}]


def test_the_last_counts_win_whole():
    found = streamed(
        URL,
        chunk(
            {"text": "a"},
            usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3},
        ),
        chunk(
            {"text": "b"},
            usageMetadata={"promptTokenCount": 5, "toolUsePromptTokenCount": 2, "totalTokenCount": 5},
        ),
        chunk(finish="STOP", usageMetadata={"trafficType": "ON_DEMAND"}),
    )

    assert found.usage == {
        "input_tokens": 7, "output_tokens": None, "cache_read_tokens": None, "cache_write_tokens": None,
        "reasoning_tokens": None,
    }  # fmt: skip


def test_thoughts_count_as_output():
    usage = {"promptTokenCount": 5, "thoughtsTokenCount": 3, "cachedContentTokenCount": 4}

    found = streamed(URL, chunk(finish="STOP", usageMetadata=usage))

    assert (found.usage.output_tokens, found.usage.reasoning_tokens, found.usage.cache_read_tokens) == (
        3,
        3,
        4,
    )


def test_audio_tokens_are_told_apart():
    details = [{"modality": "TEXT", "tokenCount": 1}, {"modality": "AUDIO", "tokenCount": 4}]
    metadata = {"promptTokenCount": 5, "promptTokensDetails": details, "candidatesTokensDetails": "AUDIO"}

    first, usage = meant(
        GeminiGenerate, {"usageMetadata": metadata}, chunk(finish="STOP", usageMetadata=metadata)
    ).told("usage")

    assert first.input_audio_tokens is None

    assert (usage.input_audio_tokens, usage.output_audio_tokens) == (4, None)


def test_a_refused_prompt_is_no_surprise_and_no_answer():
    found = streamed(
        URL, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    )

    assert (found.outcome, found.usage.input_tokens, found.finish_reasons) == ("incomplete", 3, [])


def test_an_error_in_the_stream_is_one():
    found = streamed(
        URL, chunk({"text": "a"}), {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    )

    assert (found.outcome, dict(found.error)) == (
        "error",
        {"type": "UNAVAILABLE", "code": "503", "message": "busy"},
    )


def test_id_and_model_are_those_of_the_first_chunks():
    found = streamed(
        URL,
        chunk({"text": "a"}, responseId="r-1"),
        chunk({"text": "b"}, responseId="r-2", modelVersion="gemini-2.5-flash-002"),
        chunk({"text": "c"}, responseId="r-3", error=None),
        {"candidates": [{"finishReason": "STOP"}]},
    )

    assert (found.response_id, found.response_model, found.text, found.outcome) == (
        "r-1", "gemini-2.5-flash-002", "abc", "completed",
    )  # fmt: skip


def test_what_is_no_chunk_is_skipped():
    found = streamed(URL, "ping", {"surprise": 1}, chunk({"text": "a", "thought": "yes"}, finish="STOP"))

    assert (found.text, found.outcome) == ("a", "completed")


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_chunk():
    found = streamed(
        "https://gateway.example/ask", chunk({"text": "a"}, finish="STOP", modelVersion="gemini-9")
    )

    assert (found.recognised, found.facts.format, found.response_model) == (
        True,
        "gemini_generate",
        "gemini-9",
    )
    assert streamed("https://gateway.example/ask", {"candidates": ["Ann", "Bob"]}).recognised is False


def test_a_whole_answer_is_one_chunk():
    url = f"{STUDIO}:generateContent"

    found = document(url, chunk({"text": "Hi"}, finish="STOP", responseId="r"))

    assert (found.text, found.finish_reasons, found.response_id, found.outcome) == (
        "Hi",
        ["STOP"],
        "r",
        "completed",
    )
    assert document(url, [1]).outcome == "incomplete"


def test_a_reason_may_be_a_number():
    """With `$alt=json;enum-encoding=int`, which Google's REST transport of gRPC clients asks for."""
    found = streamed(URL, chunk({"text": "a"}, finish=0), chunk({"text": "b"}, finish=1))

    assert (found.text, found.finish_reasons, found.outcome) == ("ab", ["1"], "completed")


def test_an_empty_reason_ends_nothing():
    assert streamed(URL, {"candidates": [{"finishReason": ""}]}).outcome == "incomplete"
