"""What is an LLM call and what is not: by the request, and where that does not tell by the first frame."""

from __future__ import annotations

import json

import corpus
import pytest
from answers import EVENT_STREAM, JSON, sse
from expectations import differences
from hypothesis import given
from hypothesis import strategies as st

from otel_stream import wire
from otel_stream.meaning import Request
from otel_stream.testing import replay

# -- by the request ------------------------------------------------------------------------------------

CALLS = {
    "alibaba.chat": ("openai_chat", "alibaba", "chat"),
    "anthropic.complete": ("anthropic_complete", "anthropic", "text_completion"),
    "anthropic.messages": ("anthropic_messages", "anthropic", "chat"),
    "azure.ai_inference": ("openai_chat", "azure.ai.inference", "chat"),
    "azure.openai": ("openai_chat", "azure.ai.openai", "chat"),
    "azure.responses": ("openai_responses", "azure.ai.openai", "chat"),
    "bedrock.converse": ("bedrock_converse", "aws.bedrock", "chat"),
    "bedrock.invoke_agent": ("bedrock_agent", "aws.bedrock", "invoke_agent"),
    "bedrock_mantle.responses": ("openai_responses", "aws.bedrock", "chat"),
    "cohere.chat": ("cohere_chat", "cohere", "chat"),
    "cohere.chat_v1": ("cohere_chat_v1", "cohere", "chat"),
    "deepseek.chat": ("openai_chat", "deepseek", "chat"),
    "deepseek.responses": ("openai_responses", "deepseek", "chat"),
    "gemini.generate_content": ("gemini_generate", "gcp.gemini", "generate_content"),
    "gemini.interactions": ("gemini_interactions", "gcp.gemini", "generate_content"),
    "gpustack.chat": ("openai_chat", "openai", "chat"),
    "groq.chat": ("openai_chat", "groq", "chat"),
    "huggingface.chat": ("openai_chat", "huggingface", "chat"),
    "litellm.chat": ("openai_chat", "openai", "chat"),
    "lmstudio.responses": ("openai_responses", "openai", "chat"),
    "mistral.chat": ("openai_chat", "mistral_ai", "chat"),
    "ollama.chat": ("ollama", "ollama", "chat"),
    "ollama.generate": ("ollama", "ollama", "text_completion"),
    "ollama.openai_chat": ("openai_chat", "ollama", "chat"),
    "openai.assistants": ("openai_assistants", "openai", "invoke_agent"),
    "openai.audio_transcriptions": ("openai_transcriptions", "openai", "generate_content"),
    "openai.chat": ("openai_chat", "openai", "chat"),
    "openai.completions": ("openai_completions", "openai", "text_completion"),
    "openai_compatible.completions": ("openai_completions", "openai", "text_completion"),
    "openrouter.chat": ("openai_chat", "openrouter", "chat"),
    "openrouter.responses": ("openai_responses", "openrouter", "chat"),
    "perplexity.chat": ("openai_chat", "perplexity", "chat"),
    "snowflake.chat": ("openai_chat", "snowflake", "chat"),
    "together.chat": ("openai_chat", "together", "chat"),
    "vertex.generate_content": ("gemini_generate", "gcp.vertex_ai", "generate_content"),
    "vllm.chat": ("openai_chat", "openai", "chat"),
    "vllm.completions": ("openai_completions", "openai", "text_completion"),
    "watsonx.text_generation": ("watsonx", "ibm.watsonx.ai", "text_completion"),
    "writer.chat": ("openai_chat", "writer", "chat"),
    "writer.completions": ("writer_completions", "writer", "text_completion"),
    "xai.chat": ("openai_chat", "x_ai", "chat"),
    "xai.responses": ("openai_responses", "x_ai", "chat"),
}


def asked(case):
    body = None if case.request["json"] is None else json.dumps(case.request["json"]).encode()
    return Request(case.request["method"], case.request["url"], case.request["headers"], body)


@pytest.mark.parametrize("api", CALLS)
def test_a_request_tells_format_provider_and_operation(api):
    found = [wire.recognise(asked(case)) for case in corpus.streams(api) if case.request["method"] == "POST"]

    assert {(format.name, facts.provider, facts.operation) for format, facts in found} == {CALLS[api]}


def test_every_recorded_api_is_in_the_table():
    judged_by_the_model = {"bedrock.invoke"}
    asked_with_get = {"replicate.stream", "openai.responses"}

    assert {*CALLS, *judged_by_the_model, *asked_with_get} == {case.api for case in corpus.streams()}


@pytest.mark.parametrize("case", corpus.http_errors(), ids=str)
def test_a_request_is_recognised_whatever_comes_of_it(case):
    assert wire.recognise(asked(case)) is not None


SELF_HOSTED = [
    "http://10.0.0.7:8000/v1/chat/completions",
    "http://gateway.internal/llm/team-a/openai/v1/chat/completions/",
    "https://x.openai.azure.com//openai/deployments/my-dep/chat/completions?api-version=2024-10-21",
    "http://[::1]:8080/v1/messages",
    "http://localhost:1234/v1/responses",
    "http://localhost:8000/v1/completions",
]


@pytest.mark.parametrize("url", SELF_HOSTED)
def test_any_base_url_will_do(url):
    body = b'{"model": "m", "messages": [], "max_tokens": 1, "prompt": "", "input": ""}'

    found = wire.recognise(Request("POST", url, {}, body))

    assert found is not None
    assert found[1].server_address


OTHER_REQUESTS = {
    "models": ("GET", "https://api.openai.com/v1/models", None),
    "embeddings": ("POST", "https://api.openai.com/v1/embeddings", {"model": "m", "input": "x"}),
    "files": ("POST", "https://api.openai.com/v1/files", None),
    "listed completions": ("GET", "https://api.openai.com/v1/chat/completions?limit=2", None),
    "tokens counted": ("POST", "https://api.anthropic.com/v1/messages/count_tokens", {"messages": []}),
    "batches": ("POST", "https://api.anthropic.com/v1/messages/batches", {"requests": []}),
    "thread's message": (
        "POST",
        "https://api.openai.com/v1/threads/t/messages",
        {"role": "user", "content": "x"},
    ),
    "chat room": ("POST", "https://chat.example.com/api/rooms/7/messages", {"text": "hello"}),
    "survey": ("POST", "https://forms.example.com/surveys/7/responses", {"answers": [1, 2]}),
    "build": ("POST", "https://ci.example.com/pipelines/7/runs", {"branch": "main", "stream": True}),
    "order": ("POST", "https://shop.example.com/orders/7/complete", {"paid": True}),
    "codes": ("POST", "https://ide.example.com/completions", {"position": 7}),
    "MCP message": (
        "POST",
        "http://localhost:3000/messages/?session_id=1",
        {"jsonrpc": "2.0", "method": "ping"},
    ),
    "MCP": ("POST", "http://localhost:3000/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    "page": ("GET", "https://example.com/", None),
    "no path": ("GET", "https://example.com", None),
    "no URL": ("POST", "", None),
}


@pytest.mark.parametrize(("method", "url", "body"), OTHER_REQUESTS.values(), ids=OTHER_REQUESTS)
def test_other_requests_are_left_alone(method, url, body):
    raw = None if body is None else json.dumps(body).encode()

    assert wire.recognise(Request(method, url, {}, raw)) is None


class Untouchable(Request):
    """A request that must be judged by nothing but its URL."""

    @property
    def parts(self):
        raise AssertionError("parsed the URL")

    @property
    def fields(self):
        raise AssertionError("parsed the body")


@pytest.mark.parametrize(
    "url", ["https://example.com/api/v2/items/7?expand=true", "http://db:8086/write?db=x"]
)
def test_an_ordinary_request_costs_a_look_at_the_end_of_its_path(url):
    assert wire.recognise(Untouchable("POST", url, {}, b"{}")) is None


words = st.sampled_from(
    [word for format in wire.FORMATS for word in format.endings] + ["v1", "threads", "models", ""]
)
urls = st.one_of(st.text(), st.lists(words, max_size=6).map(lambda path: "https://h/" + "/".join(path)))
bodies = st.one_of(
    st.none(), st.binary(), st.dictionaries(st.text(), st.integers()).map(lambda d: json.dumps(d).encode())
)


@given(method=st.sampled_from(["GET", "POST"]), url=urls, body=bodies)
def test_recognising_never_raises(method, url, body):
    found = wire.recognise(Request(method, url, {}, body))

    assert found is None or found[1].model


# -- by the first frames -------------------------------------------------------------------------------

SNIFFED = (
    "openai.chat",
    "openai.responses",
    "anthropic.messages",
    "openai.completions",
    "anthropic.complete",
)
SNIFFED += ("openai.assistants", "openai.audio_transcriptions", "azure.openai", "mistral.chat", "groq.chat")
SNIFFED += ("xai.responses", "openrouter.chat", "perplexity.chat", "together.chat", "vllm.completions")


@pytest.mark.parametrize("case", corpus.streams(*SNIFFED), ids=str)
def test_a_stream_whose_request_tells_nothing_is_known_by_its_first_frames(case):
    found = replay(
        url="https://gateway.internal/ask",
        request_json={"question": "?", "model": "team-model"},
        response_headers=EVENT_STREAM,
        chunks=[case.body],
    )

    assert found.recognised
    assert found.facts.model == "team-model"
    assert differences(case, found) == []


OTHER_STREAMS = {
    "MCP over HTTP": [
        ("message", {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}),
        ("message", {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "sunny"}]}}),
    ],
    "MCP over SSE": [
        ("endpoint", "/messages/?session_id=4e1f"),
        (
            "message",
            {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-06-18", "capabilities": {}}},
        ),
    ],
    "A2A": [
        {"jsonrpc": "2.0", "id": "1", "result": {"kind": "status-update", "status": {"state": "working"}}}
    ],
    "AG-UI": [{"type": "RUN_STARTED", "threadId": "t"}, {"type": "TEXT_MESSAGE_CONTENT", "delta": "Hi"}],
    "Vercel UI stream": [{"type": "start"}, {"type": "text-delta", "id": "0", "delta": "Hi"}, "[DONE]"],
    "Gradio": [{"msg": "estimation", "rank": 0}, {"msg": "process_completed", "output": {"data": ["Hi"]}}],
    "Firebase": [("put", {"path": "/", "data": {"a": 1}}), ("keep-alive", "null")],
    "Kubernetes": [
        {"type": "ADDED", "object": {"kind": "Pod"}},
        {"type": "MODIFIED", "object": {"kind": "Pod"}},
    ],
    "Wikimedia": [("message", {"$schema": "/mediawiki/recentchange/1.0.0", "type": "edit", "title": "x"})],
    "Turbo": ['<turbo-stream action="append"><template>Hi</template></turbo-stream>'],
    "election": [{"candidates": [{"name": "A", "votes": 12}]}, {"candidates": [{"name": "A", "votes": 13}]}],
    "quiz": [{"choices": ["a", "b"]}, {"choices": [{"index": 0, "label": "a"}], "id": "q1"}],
    "chat room": [{"message": {"user": "ann", "text": "hello"}}, {"type": "message_start", "user": "ann"}],
    "job": [{"type": "response.created", "id": 1}, {"type": "completion", "percent": 10}, {"response": 200}],
    "poll": [{"results": [{"option": "a", "votes": 1}]}, {"status": "done", "done": True}],
    "log": [{"level": "info", "msg": "started"}, {"type": "error", "error": "disk full"}],
    "ticks": ["1.2", "1.3", "1.1", "null"],
    "comments": [],
}


@pytest.mark.parametrize("payloads", OTHER_STREAMS.values(), ids=OTHER_STREAMS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_event_streams_that_are_no_llm_answers_leave_no_trace(payloads, method):
    body = b": hello\n\n" + sse(*payloads) * 5

    found = replay(
        url="https://example.com/events", method=method, response_headers=EVENT_STREAM, chunks=[body]
    )

    assert (found.recognised, found.events) == (False, [])


def test_documents_of_unknown_requests_are_not_even_looked_at():
    body = json.dumps({"choices": [{"message": {"content": "Hi"}}]}).encode()

    found = replay(url="https://example.com/ask", response_headers=JSON, chunks=[body])

    assert found.recognised is False


def test_a_stream_that_begins_with_pings_is_still_known():
    chunk = {"id": "c", "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}

    found = replay(
        url="https://example.com/ask",
        response_headers=EVENT_STREAM,
        chunks=[sse(("ping", {"type": "ping"}), {"choices": [], "model": ""}, chunk, "[DONE]")],
    )

    assert (found.text, found.outcome) == ("Hi", "completed")


def test_what_comes_after_the_first_frames_is_not_looked_at_however_it_is_cut():
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {"content": "Hi"}}]}

    found = replay(
        url="https://example.com/ask",
        response_headers=EVENT_STREAM,
        chunks=[sse({"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, chunk, "[DONE]")],
    )

    assert found.recognised is False


@given(st.binary())
def test_sniffing_never_raises(raw):
    class Frame:
        event = "message"

        def __init__(self, raw):
            self.raw = raw

    assert wire.sniff(Frame(raw)) is None or raw


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("ollama.chat", "text/event-stream"),
        ("cohere.chat_v1", "text/event-stream"),
        ("openai.chat", "application/x-ndjson"),
    ],
)
def test_a_stream_that_is_labelled_as_another_is_read_all_the_same(api, kind):
    """Gateways that pass on what they get often call it events."""
    case = corpus.streams(api)[0]
    known = {**case.replay_arguments(case.cut(7)), "response_headers": {"content-type": kind}}

    assert differences(case, replay(**known)) == []
