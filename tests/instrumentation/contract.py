"""What every client tap promises, whatever the library: run against a real server on loopback.

A test module subclasses `ClientContract` and gives it a `client` fixture, an object with

    read(ask, meanwhile)    send, read the body to its end, return what came
    part(ask, close)        read until the first bytes came, then close the answer properly or drop it
    unread(ask, close, meanwhile)  open the answer and close or drop it without having read
    cancel(ask, when)       asynchronous clients: read in a task, cancel it once `when()` returned

`meanwhile` is called once the head of the answer is there. What is dropped is garbage before they return.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from functools import partial

import pytest
from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from provider import CHAT, TEXT, Answer, Provider, document, redirect, sse
from watching import watching

from otel_stream import call
from otel_stream.call import CallContext
from otel_stream.identity import Who
from otel_stream.instrumentation import StreamInstrumentor

RACES = 5  # a reset overtakes what was sent before it, or does not, with us or without
CHAT_REQUEST = {"model": "gpt-5", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


@dataclass(frozen=True)
class Ask:
    url: str
    json: dict = field(default_factory=lambda: CHAT_REQUEST)
    headers: dict = field(default_factory=dict)
    timeout: float = 30.0
    """Seconds a read may take."""

    @property
    def body(self):
        return json.dumps(self.json).encode()


@dataclass(frozen=True)
class Got:
    """What the host got: bytes as the library gives them, and the exception as far as it can be compared."""

    status: int | None = None
    body: bytes = b""
    error: str | None = None
    kind: type | None = None


class ClientContract:
    """Subclasses are named Test…, and may switch single promises off by overriding them with a reason."""

    can_cancel = False

    def both(self, provider, act, answer=None):
        """Do the same without and with us; return what the host got in both, and what was recorded."""
        if answer is not None:
            provider.answer = answer
        bare = act()
        with watching() as watched:
            with_us = act()
            watched.settle()
        return bare, with_us, watched

    # -- the host gets what it would get without us

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(),
            Answer(chunks=tuple(bytes([byte]) for byte in b"".join(CHAT))),
            Answer(chunks=()),
            Answer(chunks=(b"\x00\xff not \r\n a stream",)),
            document(),
            document(b'{"error": {"message": "slow down", "type": "rate_limit"}}', 429),
        ],
        ids=["stream", "byte by byte", "empty", "garbage", "document", "error"],
    )
    def test_the_host_gets_the_same_bytes(self, client, provider, answer):
        bare, with_us, _ = self.both(provider, lambda: client.read(Ask(provider.url())), answer)

        assert with_us == bare

    @pytest.mark.parametrize("end", ["cut", "reset"])
    def test_the_host_gets_the_same_error(self, client, provider, end):
        answer = Answer(chunks=CHAT[:3], hold_after=3, end=end)
        provider.release()
        tries = RACES if end == "reset" else 1
        for _ in range(tries):
            bare, with_us, watched = self.both(provider, lambda: client.read(Ask(provider.url())), answer)

            assert bare.kind is not None
            assert watched.outcomes == ["error"]
            if (with_us.kind, with_us.error) == (bare.kind, bare.error):
                break
        else:
            pytest.fail(f"never the same in {tries} tries; at last {with_us} instead of {bare}")

    def test_a_refused_connection_is_the_hosts_own_error(self, client):
        with Provider() as provider:
            nobody = provider.url()
        bare, with_us, watched = self.both(provider, lambda: client.read(Ask(nobody)))

        assert bare.kind is not None
        assert with_us.kind is bare.kind
        assert watched.outcomes == ["error"]

    def test_a_read_that_takes_too_long_is_a_timeout(self, client, provider):
        answer = Answer(hold_after=2)
        bare, with_us, watched = self.both(
            provider, lambda: client.read(Ask(provider.url(), timeout=0.1)), answer
        )

        assert (with_us.kind, with_us.error) == (bare.kind, bare.error)
        assert watched.outcomes == ["timeout"]

    @pytest.mark.usefixtures("swallow")
    def test_a_bug_of_ours_costs_the_host_nothing(self, client, provider, monkeypatch):
        """A sink, the format, everything raises."""
        bare = client.read(Ask(provider.url()))
        with watching() as watched:
            for name in ("started", "ended"):
                monkeypatch.setattr(type(watched.runtime.processor), name, _broken)
            monkeypatch.setattr("otel_stream.wire.openai_chat.OpenAIChat.feed", _broken)
            with_us = client.read(Ask(provider.url()))

        assert with_us == bare

    # -- what is recorded

    def test_a_finished_stream_is_one_completed_stream(self, client, provider, watched):
        client.read(Ask(provider.url()))
        (started,), (completed,), (span,) = watched.started, watched.ended, watched.spans

        assert (started.model, started.source, started.server_address) == ("gpt-5", "upstream", "127.0.0.1")
        assert (completed.outcome, completed.input_tokens, completed.output_tokens) == ("completed", 7, 5)
        assert (watched.text, completed.trace_id) == (TEXT, f"{span.context.trace_id:032x}")

    def test_a_plain_answer_is_recorded_too(self, client, provider, watched):
        provider.answer = document()
        client.read(Ask(provider.url(), {"model": "gpt-5", "messages": []}))
        (completed,) = watched.ended

        assert (completed.outcome, completed.input_tokens, completed.output_tokens) == ("completed", 7, 5)

    @pytest.mark.parametrize("close", [True, False], ids=["closed", "dropped"])
    def test_a_finished_stream_is_complete_however_it_is_left(self, client, provider, watched, close):
        """The body is held open after `[DONE]`, as by a provider that keeps the connection."""
        provider.answer = Answer((b"".join(CHAT),), hold_after=1)
        client.part(Ask(provider.url()), close=close)
        watched.settle()

        assert watched.outcomes == ["completed"]

    def test_an_early_close_is_cancelled_with_its_partial_tokens(self, client, provider, watched):
        provider.answer = Answer((b"".join(CHAT[:2]),), hold_after=1)
        client.part(Ask(provider.url()), close=True)
        (error,) = watched.ended

        assert (error.outcome, error.usage_source, error.output_tokens) == ("cancelled", "estimated", 2)

    def test_a_dropped_answer_ends_too(self, client, provider, watched):
        provider.answer = Answer((b"".join(CHAT[:2]),), hold_after=1)
        client.part(Ask(provider.url()), close=False)
        watched.settle()

        assert watched.outcomes in (["abandoned"], ["cancelled"])

    @pytest.mark.parametrize(("close", "outcome"), [(True, "cancelled"), (False, "abandoned")])
    def test_an_answer_opened_and_never_read_ends_too(self, client, provider, watched, close, outcome):
        provider.answer = Answer(hold_after=0)
        client.unread(Ask(provider.url()), close=close)
        watched.settle()

        assert watched.outcomes == [outcome]

    def test_a_dropped_answer_of_a_caller_who_hung_up_was_cancelled(self, client, provider, watched):
        provider.answer = Answer(hold_after=0)
        with call.entered(CallContext()) as asking:
            client.unread(Ask(provider.url()), close=False, meanwhile=asking.hang_up)
        watched.settle()

        assert watched.outcomes == ["cancelled"]

    def test_a_truncated_stream_is_incomplete(self, client, provider, watched):
        provider.answer = Answer(CHAT[:3])
        client.read(Ask(provider.url()))

        assert watched.outcomes == ["incomplete"]

    def test_an_error_in_the_stream_wins_over_its_end_signal(self, client, provider, watched):
        broken = sse({"error": {"message": "overloaded", "type": "server_error"}})
        provider.answer = Answer((*CHAT[:2], *broken, CHAT[-1]))
        client.read(Ask(provider.url()))
        (error,) = watched.ended

        assert (error.outcome, error.message, error.error_type) == ("error", "overloaded", "server_error")

    def test_an_http_error_is_an_error_with_the_providers_words(self, client, provider, watched):
        provider.answer = document(b'{"error": {"message": "slow down", "type": "rate_limit"}}', 429)
        client.read(Ask(provider.url()))
        (error,) = watched.ended

        assert (error.outcome, error.message, error.error_type) == ("error", "slow down", "rate_limit")

    def test_compressed_answers_are_read(self, client, provider, watched):
        compressed = gzip.compress(b"".join(CHAT))
        provider.answer = Answer(
            (compressed[:30], compressed[30:]),
            headers={"content-type": "text/event-stream", "content-encoding": "gzip"},
        )
        got = client.read(Ask(provider.url(), headers={"accept-encoding": "gzip"}))

        assert (got.status, watched.outcomes, watched.text) == (200, ["completed"], TEXT)

    def test_a_redirected_request_is_one_stream(self, client, provider, watched):
        provider.routes["/v1/chat/completions"] = redirect("/moved/v1/chat/completions")
        provider.answer = Answer()
        client.read(Ask(provider.url()))
        watched.settle()

        assert (len(provider.requests), watched.outcomes, watched.text) == (2, ["completed"], TEXT)

    def test_retries_are_attempts_of_their_own(self, client, provider, watched):
        provider.answer = document(b"{}", 503)
        client.read(Ask(provider.url()))
        provider.answer = Answer()
        client.read(Ask(provider.url()))

        assert watched.outcomes == ["error", "completed"]

    @pytest.mark.parametrize(
        "answer",
        [
            document(b'{"id": 7}'),
            Answer(tuple(sse({"jsonrpc": "2.0", "id": 1, "result": {}}) * 8)),
            Answer((b": ping\n\n",) * 8),
            Answer((b"plain text",), headers={"content-type": "text/plain"}),
        ],
        ids=["document", "MCP stream", "pings", "text"],
    )
    def test_what_is_no_llm_call_leaves_no_trace(self, client, provider, answer):
        ask = Ask(provider.url("/mcp"), {"jsonrpc": "2.0", "method": "tools/list", "id": 1})
        bare, with_us, watched = self.both(provider, lambda: client.read(ask), answer)

        assert (with_us, watched.events, watched.spans) == (bare, [], ())

    def test_a_stream_on_an_unknown_route_is_known_by_its_first_frame(self, client, provider, watched):
        client.read(Ask(provider.url("/proxy/anything")))
        (completed,) = watched.ended

        assert (watched.text, completed.outcome, completed.output_tokens) == (TEXT, "completed", 5)

    # -- who is asking, and where it belongs

    def test_streams_are_attributed_to_the_live_call(self, client, provider, watched):
        with call.entered(CallContext(given=Who("coder", "acme", "s-1", "req-1"))) as asking:
            client.read(Ask(provider.url()))
            counts = (asking.upstream_opened, asking.upstream_succeeded)
        (started,) = watched.started

        assert (started.agent_type, started.tenant, started.session_id, started.call_id) == (
            "coder", "acme", "s-1", "req-1",
        )  # fmt: skip
        assert counts == (1, 1)

    def test_streams_after_the_call_has_ended_are_nobodys(self, client, provider, watched):
        with call.entered(CallContext(given=Who("coder"))) as asking:
            asking.end()
            client.read(Ask(provider.url()))
        (started,) = watched.started

        assert (started.agent_type, started.call_id) == (None, None)

    def test_private_calls_keep_their_text_out_of_events(self, client, provider, watched):
        with call.entered(CallContext(given=Who(private=True))):
            client.read(Ask(provider.url()))

        assert (watched.text, watched.outcomes) == ("", ["completed"])

    def test_the_trace_context_is_sent_to_listed_hosts_only(self, client, provider):
        with watching():
            client.read(Ask(provider.url()))
        with watching(propagate_hosts=("127.*",)) as watched:
            client.read(Ask(provider.url()))
        (unlisted, listed), (span,) = provider.requests, watched.spans

        assert "traceparent" not in unlisted.headers
        assert listed.headers["traceparent"] == (
            f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
        )

    def test_a_trace_context_sent_already_stands(self, client, provider):
        theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with watching(propagate_hosts=("*",)):
            client.read(Ask(provider.url(), headers={"traceparent": theirs}))
        (request,) = provider.requests

        assert request.headers["traceparent"] == theirs

    # -- and when we stay out of it

    @pytest.mark.parametrize(
        "suppressed",
        [
            suppress_instrumentation,
            suppress_http_instrumentation,
            lambda: _with_key("suppress_language_model_instrumentation"),
        ],
        ids=["all", "http", "llm"],
    )
    def test_suppression_is_respected(self, client, provider, watched, suppressed):
        with suppressed():
            client.read(Ask(provider.url()))

        assert watched.events == []

    def test_after_uninstrumenting_nothing_is_recorded(self, client, provider):
        with watching() as watched:
            pass
        client.read(Ask(provider.url()))

        assert watched.events == []

    def test_uninstrumenting_in_the_middle_costs_the_host_nothing(self, client, provider):
        provider.answer = Answer(hold_after=2)
        with watching() as watched:
            got = client.read(
                Ask(provider.url()),
                meanwhile=lambda: (
                    provider.holding.wait(),
                    StreamInstrumentor().uninstrument(),
                    provider.release(),
                ),
            )

        assert (got.body, watched.outcomes) == (b"".join(CHAT), ["abandoned"])

    # -- asynchronous clients

    def test_a_cancelled_task_is_cancelled_and_recorded(self, client, provider, watched):
        if not self.can_cancel:
            pytest.skip("a synchronous client")
        provider.answer = Answer(hold_after=2)
        client.cancel(Ask(provider.url()), provider.holding.wait)
        (error,) = watched.ended

        assert (error.outcome, error.error_type) == ("cancelled", None)


def _broken(*_, **__):
    raise RuntimeError("our bug")


class _with_key:  # noqa: N801 - used like the functions beside it
    def __init__(self, key):
        self._enter = partial(context.attach, context.set_value(key, True))

    def __enter__(self):
        self._token = self._enter()

    def __exit__(self, *_):
        context.detach(self._token)
