"""What every server tap promises, whatever the framework: real servers, real callers, a real provider.

A test module subclasses `ServerContract` and gives it `serve`, a context manager that runs a gateway and
gives its port. The gateway answers `POST` on any path with what `Acts` has for the header `x-act`: the sync
or the async generator, whatever suits the framework.
"""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from provider import CHAT, COMPLETION, EVENT_STREAM, TEXT, Answer, document, sse
from serving import Caller
from watching import watching

CHAT_REQUEST = {"model": "gpt-5", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = {"content-type": "application/json"}
PLAIN = {"trust_env": False, "verify": False}  # no certificates are needed, and loading them takes longest
HEADERS = {"document": JSON, "status": JSON, "cached": EVENT_STREAM | {"x-litellm-cache-key": "k-1"}}


class Acts:
    """What a gateway does for its callers."""

    def __init__(self):
        self.provider = None

    def head(self, act):
        """Return the headers of the answer to `act`."""
        return HEADERS.get(act, EVENT_STREAM)

    def sync(self, act, body):
        return getattr(self, act)(body)

    async def asynchronous(self, act, body):
        if act == "relay":
            async for chunk in self._relay_async(body):
                yield chunk
            return
        if act == "hold":
            async for chunk in self._hold_async():
                yield chunk
            return
        for chunk in getattr(self, act)(body):
            yield chunk

    def relay(self, body):
        """Pass the provider's stream on, raw."""
        with (
            httpx.Client(**PLAIN) as client,
            client.stream("POST", self.provider.url(), content=body) as answer,
        ):
            yield from answer.iter_raw()

    async def _relay_async(self, body):
        async with (
            httpx.AsyncClient(**PLAIN) as client,
            client.stream("POST", self.provider.url(), content=body) as answer,
        ):
            async for chunk in answer.aiter_raw():
                yield chunk

    def made_up(self, body):
        """A stream that no provider sent: a cache, a compiled client."""
        yield from CHAT

    cached = made_up

    def pretended(self, body):
        """Ask the provider for a plain answer and make a stream of it."""
        plain = json.dumps({"model": "gpt-5", "messages": []})
        with httpx.Client(**PLAIN) as client:
            client.post(self.provider.url(), content=plain)
        yield from CHAT

    def told_failure(self, body):
        """The provider fails; the caller is told so in a stream that ends as if all were well."""
        with httpx.Client(**PLAIN) as client:
            client.post(self.provider.url(), content=body)
        yield from sse({"error": {"message": "no luck", "type": "api_error"}})
        yield CHAT[-1]

    def own_failure(self, body):
        """The gateway itself refuses, after it has begun to stream."""
        yield from sse({"error": {"message": "no such model", "type": "invalid_request_error"}})
        yield CHAT[-1]

    def document(self, body):
        yield COMPLETION

    def status(self, body):
        yield b'{"status": "fine"}'

    def tools(self, body):
        """An MCP stream."""
        yield from sse(*[{"jsonrpc": "2.0", "id": n, "result": {}} for n in range(8)])

    def crash(self, body):
        yield from CHAT[:2]
        raise RuntimeError("theirs")

    def hold(self, body):
        """A stream of the gateway's own that goes on until the provider is released."""
        yield from CHAT[:2]
        while not self.provider.released.wait(0.01):
            yield b": still here\n\n"

    async def _hold_async(self):
        for chunk in CHAT[:2]:
            yield chunk
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.01)


class ServerContract:
    """Subclasses are named Test…, and have `serve(acts)`. The gateway runs for the whole class."""

    @pytest.fixture(scope="class")
    @classmethod
    def acts(cls):
        return Acts()

    @pytest.fixture(scope="class")
    @classmethod
    def port(cls, acts):
        with cls.serve(acts) as port:
            yield port

    @pytest.fixture
    def gateway(self, acts, port, provider):
        acts.provider = provider
        return Caller(port)

    def ask(self, gateway, act="relay", payload=CHAT_REQUEST, headers=None, **options):
        return gateway.ask(payload, {"x-act": act} | (headers or {}), **options)

    @pytest.mark.parametrize(
        ("act", "path", "streams"),
        [
            ("relay", "/v1/chat/completions", 1),
            ("made_up", "/v1/chat/completions", 1),
            ("pretended", "/v1/chat/completions", 2),
            ("own_failure", "/v1/chat/completions", 1),
            ("document", "/v1/chat/completions", 1),
            ("crash", "/v1/chat/completions", 1),
            ("status", "/api/things", 0),
            ("tools", "/api/things", 0),
        ],
    )
    def test_callers_get_the_same(self, gateway, provider, act, path, streams):
        provider.answer = document() if act == "pretended" else Answer()
        bare = self.ask(gateway, act, path=path)
        with watching() as watched:
            with_us = self.ask(gateway, act, path=path)
            watched.until(streams)

        assert with_us == bare

    # -- the client tap's streams

    def test_an_upstream_stream_is_the_calls_only_one_and_knows_who_asked(self, gateway, watched):
        headers = {
            "x-agent-type": "coder", "x-tenant-id": "acme", "x-session-id": "s-1", "x-request-id": "req-1",
        }  # fmt: skip
        self.ask(gateway, headers=headers)
        (started,) = watched.until(1).started

        assert (started.source, started.agent_type, started.tenant, started.session_id, started.call_id) == (
            "upstream", "coder", "acme", "s-1", "req-1",
        )  # fmt: skip

    def test_who_asks_may_stand_in_the_body(self, gateway, watched):
        self.ask(gateway, payload=CHAT_REQUEST | {"metadata": {"agent_type": "planner"}})
        (started,) = watched.until(1).started

        assert started.agent_type == "planner"

    def test_streams_belong_under_the_callers_span(self, gateway, watched):
        self.ask(gateway, headers={"traceparent": TRACEPARENT})
        (span,) = watched.until(1).spans

        assert f"{span.context.trace_id:032x}" == TRACEPARENT[3:35]

    def test_streams_belong_under_the_gateways_own_span(self, gateway, watched, monkeypatch):
        tracer = TracerProvider().get_tracer("gateway")
        relay, relay_async = Acts.relay, Acts._relay_async

        def spanned(self, body):
            with tracer.start_as_current_span("work"):
                answer = b"".join(relay(self, body))
            yield answer

        async def spanned_async(self, body):
            with tracer.start_as_current_span("work"):
                answer = [chunk async for chunk in relay_async(self, body)]
            yield b"".join(answer)

        monkeypatch.setattr(Acts, "relay", spanned)
        monkeypatch.setattr(Acts, "_relay_async", spanned_async)
        self.ask(gateway, headers={"traceparent": TRACEPARENT})
        (span,) = watched.until(1).spans

        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" != TRACEPARENT[36:52]

    def test_private_calls_keep_their_text_out_of_events(self, gateway, watched):
        self.ask(gateway, headers={"x-otel-stream-private": "1"})

        assert (watched.until(1).text, watched.outcomes) == ("", ["completed"])

    def test_a_caller_who_hangs_up_cancels_the_stream(self, gateway, provider, watched):
        provider.answer = Answer(CHAT[:2], end="trickle")
        self.ask(gateway, "relay", until=b"Hello")
        (error,) = watched.until(1).ended

        assert (error.outcome, error.usage_source, error.output_tokens) == ("cancelled", "estimated", 2)

    # -- the call as a stream itself

    def test_a_stream_nobody_sent_is_taken_from_the_server(self, gateway, watched):
        self.ask(gateway, "made_up", headers={"x-agent-type": "coder"})
        (started,), (completed,) = watched.until(1).started, watched.ended
        stream = watched.streams[started.request_id]

        assert (started.source, started.model, started.agent_type) == ("downstream", "gpt-5", "coder")
        assert (completed.outcome, completed.output_tokens, watched.text) == ("completed", 5, TEXT)
        assert (stream.billed, stream.cache_hit) == (True, False)

    def test_a_stream_made_of_a_plain_answer_adds_no_tokens(self, gateway, provider, watched):
        provider.answer = document()
        self.ask(gateway, "pretended")
        watched.until(2)

        assert [
            (event.source, watched.streams[event.request_id].billed) for event in watched.started
        ] == [("upstream", True), ("downstream", False)]  # fmt: skip

    def test_a_cache_hit_costs_nothing(self, gateway, watched):
        self.ask(gateway, "cached")
        (completed,) = watched.until(1).ended
        stream = watched.streams[completed.request_id]

        assert (stream.cache_hit, completed.cost_source, completed.cost_usd) == (True, "cache", None)

    def test_a_plain_answer_nobody_sent_is_recorded_too(self, gateway, watched):
        self.ask(gateway, "document", {"model": "gpt-5", "messages": []})
        (started,), (completed,) = watched.until(1).started, watched.ended

        assert (started.source, completed.outcome, completed.output_tokens) == ("downstream", "completed", 5)

    def test_a_failure_upstream_is_told_once(self, gateway, provider, watched):
        provider.answer = document(b'{"error": {"message": "no luck", "type": "api_error"}}', 500)
        self.ask(gateway, "told_failure")
        watched.until(1)

        assert ([event.source for event in watched.started], watched.outcomes) == (["upstream"], ["error"])

    def test_a_failure_of_the_gateways_own_is_told(self, gateway, watched):
        self.ask(gateway, "own_failure")
        (error,) = watched.until(1).ended

        assert (error.outcome, error.message) == ("error", "no such model")

    def test_a_gateway_that_crashes_ends_its_stream_as_an_error(self, gateway, watched):
        self.ask(gateway, "crash")
        (error,) = watched.until(1).ended

        assert (error.outcome, error.message) == ("error", "theirs")

    def test_a_caller_who_hangs_up_on_the_gateways_own_stream_cancels_it(self, gateway, watched):
        self.ask(gateway, "hold", until=b"still here")
        (error,) = watched.until(1).ended

        assert (error.outcome, error.output_tokens) == ("cancelled", 2)

    # -- and what is none of ours

    @pytest.mark.parametrize("act", ["status", "tools"])
    def test_ordinary_answers_leave_no_trace(self, gateway, watched, act):
        self.ask(gateway, act, {"question": 1}, path="/api/things")

        assert (watched.events, watched.spans) == ([], ())

    def test_after_uninstrumenting_nothing_is_recorded(self, gateway):
        with watching() as watched:
            pass
        self.ask(gateway, "made_up")

        assert watched.events == []
