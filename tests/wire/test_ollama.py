"""The quirks of Ollama's own API."""

from __future__ import annotations

import json

import pytest
from answers import document, streamed

from otel_stream.testing import replay

CHAT = "http://127.0.0.1:11434/api/chat"
GENERATE = "http://127.0.0.1:11434/api/generate"


def line(**more):
    return {"model": "llama3", "created_at": "2024-05-24T21:02:00Z", "done": False, **more}


def said(**message):
    return line(message={"role": "assistant", "content": "", **message})


END = line(
    message={"role": "assistant", "content": ""},
    done=True,
    done_reason="stop",
    prompt_eval_count=5,
    eval_count=2,
)


def lines(url, *payloads, kind="application/x-ndjson"):
    return replay(
        url=url,
        request_json={"model": "llama3"},
        response_headers={"content-type": kind},
        chunks=[json.dumps(payload).encode() + b"\n" for payload in payloads],
    )


@pytest.mark.parametrize(
    ("url", "more", "operation", "streaming"),
    [
        (CHAT, {}, "chat", True),
        (CHAT, {"stream": False}, "chat", False),
        (GENERATE, {"stream": True}, "text_completion", True),
        ("https://ollama.com/api/chat", {}, "chat", True),
    ],
)
def test_it_streams_unless_asked_not_to(url, more, operation, streaming):
    facts = replay(url=url, request_json={"model": "llama3", **more}).facts

    assert (facts.provider, facts.model, facts.operation, facts.streaming) == (
        "ollama",
        "llama3",
        operation,
        streaming,
    )


@pytest.mark.parametrize(
    ("method", "url", "request_json"),
    [
        ("GET", CHAT, {"model": "m"}),
        ("POST", "http://localhost:3000/api/chat", {"messages": []}),
        ("POST", "http://localhost/generate", {"model": "m"}),
    ],
)
def test_other_requests_are_left_alone(method, url, request_json):
    assert replay(url=url, method=method, request_json=request_json).recognised is False


def test_a_request_whose_body_cannot_be_read_is_given_the_benefit_of_the_doubt():
    assert replay(url=CHAT).facts.model == "unknown"


def test_the_options_are_read():
    options = {"temperature": 0.5, "num_predict": 9, "stop": ["x"], "num_ctx": 4096}

    found = replay(
        url=CHAT, request_json={"model": "m", "options": options, "format": "json"}
    ).facts.attributes

    assert found == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ["x"],
        "gen_ai.output.type": "json",
    }


def test_a_chat_is_read():
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"id": "t", "function": {"name": "g"}}, {}]

    found = lines(CHAT, said(thinking="Hm"), said(content="Hi"), said(tool_calls=calls), END)

    assert (found.reasoning_text, found.text, found.response_model) == ("Hm", "Hi", "llama3")
    assert [(c["id"], c["name"], c["arguments"]) for c in found.tool_calls] == [
        (None, "f", {"a": 1}),
        ("t", "g", ""),
        (None, None, ""),
    ]
    assert (found.usage.input_tokens, found.usage.output_tokens, found.finish_reasons) == (5, 2, ["stop"])
    assert found.outcome == "completed"


def test_a_completion_is_read():
    found = lines(
        GENERATE,
        line(response="", thinking="Hm"),
        line(thinking="m"),
        line(response="Hi"),
        line(response="", done=True, eval_count=2),
    )

    assert (found.reasoning_text, found.text, found.usage.input_tokens, found.usage.output_tokens) == (
        "Hmm",
        "Hi",
        None,
        2,
    )
    assert found.outcome == "completed"


def test_an_end_without_counts_is_one():
    found = lines(CHAT, line(done=True, done_reason="load"))

    assert (found.outcome, found.usage) == ("completed", None)


def test_a_stream_that_is_labelled_wrongly_is_read_all_the_same():
    assert lines(CHAT, said(content="Hi"), END, kind="application/json").text == "Hi"


def test_an_error_line_is_one_and_what_is_not_known_is_skipped():
    found = lines(CHAT, [1], {"status": "loading"}, said(content="Hi"), {"error": "unexpected EOF"})

    assert (found.text, found.outcome, found.error.message) == ("Hi", "error", "unexpected EOF")


def test_a_stream_of_an_unknown_request_is_recognised_by_its_first_line():
    found = lines("https://gateway.example/ask", said(content="Hi"), END)

    assert (found.recognised, found.facts.format) == (True, "ollama")
    assert lines("https://gateway.example/pull", {"status": "pulling", "done": False}).recognised is False
    assert streamed("https://gateway.example/ask", {"event": 1}).recognised is False


def test_a_whole_answer_is_one_line():
    found = document(CHAT, END | {"message": {"content": "Hi"}}, request={"stream": False})

    assert (found.text, found.finish_reasons, found.outcome) == ("Hi", ["stop"], "completed")
    assert document(CHAT, [1], request={"stream": False}).outcome == "incomplete"
