"""Nothing a person wrote, and no key, leaves the process unless asked for.

Secrets are planted wherever a prompt, an answer or a key can stand; calls that go well and badly run through
clients, a gateway and every exporter there is; then everything that was exported, logged, served or stored is
searched for them. Each search is shown to find what is there: with capture on, and in the text on the feed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import threading
from collections import Counter

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from provider import Answer, Provider, chat_chunk, document, sse
from serving import Caller, uvicorn_server
from watching import watching

from otel_stream import gateway
from otel_stream.live.rendezvous import discover

PROMPTS = {
    "system": "planted-system-4471",
    "prompt": "planted-prompt-4472",
    "tool description": "planted-description-4473",
    "tool result": "planted-result-4474",
}
ANSWERS = {
    "answer": "planted-answer-4481",
    "reasoning": "planted-reasoning-4482",
    "arguments": "planted-arguments-4483",
}
KEYS = {
    "authorization": "sk-plantedauthorization4491",
    "x-api-key": "sk-ant-plantedxapikey4492",
    "api-key": "plantedapikey4493azure",
    "x-goog-api-key": "AIzaPlantedGoogleKey4494abcdefgh",
    "cookie": "plantedcookie4495",
    "query": "AIzaPlantedQueryKey4496abcdefgh",
    "password": "plantedpassword4497",
    "set-cookie": "plantedsetcookie4498",
    "virtual key": "sk-plantedvirtualkey4499",
}
ALL = {**PROMPTS, **ANSWERS, **KEYS}

REQUEST = {
    "model": "gpt-4o",
    "stream": True,
    "user": "planted-user-4475",
    "messages": [
        {"role": "system", "content": PROMPTS["system"]},
        {"role": "user", "content": PROMPTS["prompt"]},
        {"role": "tool", "tool_call_id": "call_1", "content": PROMPTS["tool result"]},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": PROMPTS["tool description"]}}],
}
HEADERS = {
    "authorization": f"Bearer {KEYS['authorization']}",
    "x-api-key": KEYS["x-api-key"],
    "api-key": KEYS["api-key"],
    "x-goog-api-key": KEYS["x-goog-api-key"],
    "cookie": f"session={KEYS['cookie']}",
}
CALLER = {"authorization": f"Bearer {KEYS['virtual key']}", "cookie": f"session={KEYS['cookie']}"}

TOOL = {
    "index": 0,
    "id": "call_1",
    "function": {"name": "look", "arguments": f'{{"at": "{ANSWERS["arguments"]}"}}'},
}
CHAT = Answer(
    (
        *sse(
            chat_chunk({"role": "assistant", "reasoning_content": ANSWERS["reasoning"]}),
            chat_chunk({"content": ANSWERS["answer"]}),
            chat_chunk({"tool_calls": [TOOL]}),
            chat_chunk({}, "tool_calls"),
        ),
        b"data: [DONE]\n\n",
    ),
    headers={"content-type": "text/event-stream", "set-cookie": f"id={KEYS['set-cookie']}"},
)
GEMINI = Answer(
    tuple(
        sse({"candidates": [{"content": {"parts": [{"text": ANSWERS["answer"]}]}, "finishReason": "STOP"}]})
    )
)
ECHO = f"[{{'loc': ('body',), 'input': {{'messages': [{{'content': '{PROMPTS['prompt']}'}}]}}}}]"
REFUSED_KEY = (
    f"Incorrect API key provided: {KEYS['authorization']}. See https://example.com/account/api-keys."
)


def failure(message):
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


def refusal(status, message):
    return document(json.dumps(failure(message)).encode(), status)


CALLS = {
    "a whole answer": CHAT,
    "an answer cut off": CHAT.but(chunks=CHAT.chunks[:3]),
    "a key refused": refusal(401, REFUSED_KEY),
    "an echo of the request": refusal(422, ECHO),
    "an error in the stream": CHAT.but(chunks=(*CHAT.chunks[:2], *sse(failure(REFUSED_KEY + ECHO)))),
    "no JSON": CHAT.but(chunks=(*CHAT.chunks[:2], f"data: {ANSWERS['answer']}{{\n\n".encode())),
}


class Everything:
    """All ways out of the process, and what went out by each."""

    def __init__(self, tmp_path, monkeypatch, caplog, **settings):
        self._folder, self._caplog = tmp_path, caplog
        self._registry = CollectorRegistry()
        self._reader, self._logs = InMemoryMetricReader(), InMemoryLogRecordExporter()
        self._meters, logs = MeterProvider([self._reader]), LoggerProvider()
        logs.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        monkeypatch.setattr(
            "otel_stream.spans.logs.get_logger", lambda name, version, _: logs.get_logger(name, version)
        )
        self._settings = {
            "prometheus": True,
            "prometheus_port": 0,
            "registry": self._registry,
            "meter_provider": self._meters,
            "metric_labels": "agent,tenant",
            "events": "both",
            "tail": str(tmp_path / "tail.jsonl"),
            "live": "unix",
            "live_path": str(tmp_path / "live"),
            **settings,
        }
        self._closing = contextlib.ExitStack()

    def __enter__(self):
        self.watched = self._closing.enter_context(watching(**self._settings))
        self._feed = Feed(self._folder / "live", text=self._settings.get("live_text", False))
        self._closing.callback(self._meters.shutdown)
        return self

    def __exit__(self, *_):
        self._closing.close()
        self._feed.everything()

    def out(self):
        """Return what went out, by the way it took; ends the instrumentation."""
        self.watched.settle()
        found = {
            "spans": encode_spans(self.watched.spans).SerializeToString(),
            "logs": encode_logs(self._logs.get_finished_logs()).SerializeToString(),
            "metrics": encode_metrics(self._reader.get_metrics_data()).SerializeToString(),
            "/metrics": generate_latest(self._registry) + generate_openmetrics(self._registry),
        }
        self._closing.close()
        found["live feed"] = self._feed.everything()
        found["log lines"] = self._caplog.text.encode()
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        return found | {f"file {path.name}": path.read_bytes() for path in files}


class Feed:
    """A watcher of the live feed that keeps every byte; asks for text where it may."""

    def __init__(self, folder, text):
        (target,) = discover(folder)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(target.socket)
        query = b"?text=true" if text else b""
        self._socket.sendall(b"GET /events%b HTTP/1.1\r\nhost: localhost\r\n\r\n" % query)
        self._got = [self._socket.recv(65536)]
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                self._got.append(data)

    def everything(self):
        self._thread.join(30)
        self._socket.close()
        return b"".join(self._got)


@pytest.fixture
def everything(tmp_path, monkeypatch, caplog):
    caplog.set_level("DEBUG", "otel_stream")
    return lambda **settings: Everything(tmp_path, monkeypatch, caplog, **settings)


def in_disguise(secret):
    """The secret as it is, encoded, and hashed."""
    raw = secret.encode()
    digests = [getattr(hashlib, kind)(raw) for kind in ("md5", "sha1", "sha256")]
    return [
        raw,
        base64.b64encode(raw)[:-4],
        *(digest.hexdigest()[:12].encode() for digest in digests),
        *(digest.digest()[:8] for digest in digests),
    ]


def leaks(out, secrets):
    return [
        (way, name)
        for way, content in out.items()
        for name, secret in secrets.items()
        if any(form in content for form in in_disguise(secret))
    ]


def ask(provider, answer, path="/v1/chat/completions", headers=HEADERS, request=REQUEST):
    """Make one call and take it as it comes."""
    provider.answer = answer
    url = f"http://someone:{KEYS['password']}@127.0.0.1:{provider.port}{path}"
    with (
        contextlib.suppress(httpx.HTTPError),
        httpx.Client() as client,
        client.stream("POST", url, json=request, headers=headers) as response,
    ):
        for _ in response.iter_raw():
            pass


def run_through_everything(provider, headers=HEADERS):
    """Calls of every kind: good, bad, with keys in the query, to nobody, and through a gateway."""
    for answer in CALLS.values():
        ask(provider, answer, headers=headers)
    ask(provider, CHAT, f"/v1/chat/completions?api-key={KEYS['query']}", headers)
    ask(
        provider,
        GEMINI,
        f"/v1beta/models/gemini-2:streamGenerateContent?alt=sse&key={KEYS['query']}",
        headers,
    )
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(
            f"http://127.0.0.1:1/v1/chat/completions?key={KEYS['query']}", json=REQUEST, headers=headers
        )
    with uvicorn_server(a_gateway(provider)) as port:
        caller = Caller(port)
        inbound = {**headers, **CALLER}
        for path in ("/v1/chat/completions", "/cached/chat/completions"):
            caller.ask(REQUEST, inbound, path)
        caller.ask(REQUEST, inbound, until=ANSWERS["reasoning"].encode())


def a_gateway(provider):
    """One path goes to the provider, one answers by itself as a cache does."""
    app = FastAPI()

    async def relay(body):
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", provider.url(), content=body, headers=HEADERS) as response,
        ):
            async for chunk in response.aiter_raw():
                yield chunk

    async def cached():
        for chunk in CHAT.chunks:
            yield chunk.replace(b"chatcmpl-1", b"chatcmpl-2")  # an answer of its own

    @app.post("/v1/chat/completions")
    async def forward(request: Request):
        provider.answer = CHAT
        return StreamingResponse(relay(await request.body()), media_type="text/event-stream")

    @app.post("/cached/chat/completions")
    async def remember(request: Request):
        await request.body()
        return StreamingResponse(cached(), media_type="text/event-stream")

    return app


@pytest.fixture
def provider():
    with Provider() as provider:
        yield provider


def test_by_default_nothing_anybody_wrote_and_no_key_leaves_the_process(everything, provider):
    with everything() as process:
        run_through_everything(provider)
        process.watched.until(ended=len(CALLS) + 6)
        out = process.out()

    assert leaks(out, ALL) == []
    assert {way for way, content in out.items() if b"gpt-4o" not in content} <= {"log lines", "file live"}


def test_a_key_is_never_told_even_where_all_content_is_asked_for(everything, provider):
    with everything(capture_content="SPAN_AND_EVENT", live_text=True) as process:
        run_through_everything(provider)
        process.watched.until(ended=len(CALLS) + 6)
        out = process.out()

    assert leaks(out, KEYS) == []


def test_the_search_finds_what_was_asked_for(everything, provider):
    """And content goes only where it was asked for: never into metrics, log lines or the tail of another."""
    with everything(capture_content="SPAN_AND_EVENT", live_text=True) as process:
        ask(provider, CHAT)
        out = process.out()

    assert set(leaks(out, PROMPTS)) == {(way, name) for way in ("spans", "logs") for name in PROMPTS}
    ways = ("spans", "logs", "live feed", "file tail.jsonl")
    assert set(leaks(out, ANSWERS)) == {(way, name) for way in ways for name in ANSWERS}


@pytest.mark.parametrize("how", ["by a header of its caller", "by the gateway"])
def test_a_private_call_keeps_its_text_whatever_is_asked_for(everything, provider, how):
    with everything(capture_content="SPAN_AND_EVENT", live_text=True) as process:
        if how == "by the gateway":
            with gateway.private():
                ask(provider, CHAT)
                ask(provider, CALLS["an error in the stream"])
        else:
            private = {**CALLER, "x-otel-stream-private": "true"}
            with uvicorn_server(a_gateway(provider)) as port:
                for path in ("/v1/chat/completions", "/cached/chat/completions"):
                    Caller(port).ask(REQUEST, private, path)
        process.watched.until(ended=2)
        text = process.watched.text
        out = process.out()

    assert leaks(out, ALL) == []
    assert text == ""


def test_what_a_subscriber_in_the_process_gets_can_be_turned_off_as_a_whole(everything, provider):
    with everything(text=False, live_text=True) as process:
        ask(provider, CHAT)
        text = process.watched.text
        out = process.out()

    assert (text, leaks(out, ALL)) == ("", [])


def test_an_error_of_ours_logs_no_content(everything, provider, monkeypatch, swallow):
    """A traceback shows code, not values; the message of the error is ours."""

    def broken(self, text, *_):
        raise KeyError("a bug of ours")

    monkeypatch.setattr("otel_stream.recorder.Recorder.delta", broken)
    monkeypatch.setattr("otel_stream._guard._counts", Counter())  # only the first of a stage are logged
    with everything() as process:
        run_through_everything(provider)
        out = process.out()

    assert b"a bug of ours" in out["log lines"]
    assert leaks(out, ALL) == []


def test_the_request_that_goes_out_is_the_hosts_own(everything, provider):
    """No trace context of ours is sent to a provider, which is somebody else."""
    with everything():
        ask(provider, CHAT)

    (seen,) = provider.requests
    assert not {name for name in seen.headers if name in ("traceparent", "tracestate", "baggage")}
    assert json.loads(seen.body) == REQUEST


def test_metrics_are_served_to_this_machine_alone(everything):
    with everything() as process:
        server = process.watched.runtime.metrics.endpoint.server
        host = server.url.split("/")[2].rpartition(":")[0]
        connection = http.client.HTTPConnection(host, server.port, timeout=30)
        connection.request("GET", "/metrics")
        body = connection.getresponse().read()
        connection.close()

    assert host == "127.0.0.1"
    assert leaks({"/metrics": body}, ALL) == []
