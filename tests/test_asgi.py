"""The ASGI server tap: messages pass as they are, and say who asks and how it ends."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from provider import CHAT, TEXT
from watching import watching

from otel_stream import call, served
from otel_stream.asgi import StreamMiddleware, lower
from otel_stream.meaning import CallFacts

BODY = json.dumps({"model": "gpt-5", "stream": True}).encode()
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"Content-Type", b"text/event-stream")],
}
LAST = {"type": "http.response.body", "body": b"", "more_body": False}


def part(chunk):
    return {"type": "http.response.body", "body": chunk, "more_body": True}


def scope(**changes):
    plain = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"x-agent-type", b"coder"), (b"x-agent-type", b"second")],
    }
    return plain | changes


@pytest.fixture
def watched():
    with watching() as watched:
        yield watched


class Server:
    """The far side of an ASGI application."""

    def __init__(self, *inbound, fails=None):
        self.inbound = list(inbound) or [{"type": "http.request", "body": BODY, "more_body": False}]
        self.sent = []
        self._fails = fails

    async def receive(self):
        return self.inbound.pop(0)

    async def send(self, message):
        if self._fails is not None and self._fails[0] == len(self.sent):
            raise self._fails[1]
        self.sent.append(message)


def streaming(*messages, seen=None):
    async def app(scope, receive, send):
        await receive()
        if seen is not None:
            seen.append(call.current())
        for message in messages:
            await send(message)

    return app


async def test_messages_pass_as_the_very_same_objects(watched):
    messages = [START, *map(part, CHAT), LAST]
    request = {"type": "http.request", "body": BODY, "more_body": False}
    got, server = [], Server(request)

    async def app(scope, receive, send):
        got.append(await receive())
        for message in messages:
            await send(message)

    await StreamMiddleware(app)(scope(), server.receive, server.send)

    assert got[0] is request
    assert [id(message) for message in server.sent] == [id(message) for message in messages]
    assert (watched.outcomes, watched.text) == (["completed"], TEXT)


async def test_the_application_runs_inside_its_call(watched):
    seen, server = [], Server()
    await StreamMiddleware(streaming(START, LAST, seen=seen))(scope(), server.receive, server.send)

    assert (seen[0].who.agent_type, seen[0].ended, call.current()) == ("coder", True, None)


async def test_a_body_beyond_the_cap_passes_without_being_noted(watched, monkeypatch):
    monkeypatch.setattr(served, "MAX_BODY_BYTES", 10)
    pieces = [{"type": "http.request", "body": BODY[:20], "more_body": True}] * 2
    server, got = Server(*pieces), []

    async def app(scope, receive, send):
        got.extend([await receive(), await receive()])
        for message in [START, *map(part, CHAT), LAST]:
            await send(message)

    await StreamMiddleware(app)(scope(), server.receive, server.send)

    assert (got, watched.started[0].model) == (pieces, "unknown")


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_connections_are_left_alone(watched, kind):
    seen, server = [], Server({"type": "anything"})
    await StreamMiddleware(streaming(seen=seen))({"type": kind}, server.receive, server.send)

    assert seen == [None]


async def test_without_instrumentation_it_only_passes_on():
    seen, server = [], Server()
    await StreamMiddleware(streaming(START, LAST, seen=seen))(scope(), server.receive, server.send)

    assert (seen, server.sent) == ([None], [START, LAST])


async def test_suppression_is_respected(watched):
    seen, server = [], Server()
    with suppress_instrumentation():
        await StreamMiddleware(streaming(START, LAST, seen=seen))(scope(), server.receive, server.send)

    assert seen == [None]


async def test_one_inside_another_is_one_call_under_the_inner_servers_span(watched):
    tracer = TracerProvider().get_tracer("server")
    seen, server = [], Server()
    inner = StreamMiddleware(streaming(START, *map(part, CHAT), LAST, seen=seen))
    span = None

    async def spanned(scope, receive, send):
        nonlocal span
        with tracer.start_as_current_span("server") as span:
            await inner(scope, receive, send)

    await StreamMiddleware(spanned)(scope(), server.receive, server.send)

    assert (len(seen), watched.outcomes) == (1, ["completed"])
    assert watched.spans[0].parent.span_id == span.get_span_context().span_id


async def test_a_disconnect_is_a_hang_up(watched):
    server = Server({"type": "http.request", "body": BODY}, {"type": "http.disconnect"})
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send(START)
        await send(part(CHAT[1]))
        await receive()
        seen.append(call.current().hung_up)
        await send(LAST)  # as BaseHTTPMiddleware does

    await StreamMiddleware(app)(scope(), server.receive, server.send)

    assert (seen, watched.outcomes) == ([True], ["cancelled"])


async def test_a_send_that_fails_is_a_hang_up_and_the_hosts_own_error(watched):
    error = OSError("gone")
    server = Server(fails=(2, error))
    with pytest.raises(OSError, match="gone") as caught:
        await StreamMiddleware(streaming(START, *map(part, CHAT)))(scope(), server.receive, server.send)

    assert (caught.value is error, watched.outcomes) == (True, ["cancelled"])


class Uvicorns(Server):
    """A server whose `send` is taken for uvicorn's: it passes over what nobody is there to get."""

    __module__ = "uvicorn.protocols.http.some_impl"

    def __init__(self):
        super().__init__()
        self.handed_out = []

    def send(self, message):
        sending = super().send(message)
        self.handed_out.append(sending)
        return sending


@pytest.mark.parametrize(("server", "short"), [(Server, 0), (Uvicorns, 1)])
async def test_what_an_upstream_stream_tells_goes_to_uvicorns_send_without_a_detour(watched, server, short):
    server, own = server(), []

    async def app(scope, receive, send):
        await receive()
        upstream = watched.runtime.open_stream(CallFacts("openai", "chat", "gpt-5", "openai_chat"))
        for message in [START, part(b"looked at"), part(b"passed on"), LAST]:
            sending = send(message)
            own.append(sending in getattr(server, "handed_out", ()))
            await sending
        upstream.end("eof")

    await StreamMiddleware(app)(scope(), server.receive, server.send)

    assert (own, len(server.sent)) == ([False, False, bool(short), False], 4)


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(watched):
    seen, server = [], Server()
    gc.disable()
    try:
        await StreamMiddleware(streaming(START, LAST, seen=seen))(scope(), server.receive, server.send)
        gone = weakref.ref(seen.pop())
        assert gone() is None
    finally:
        gc.enable()


async def test_a_cancelled_call_is_cancelled(watched):
    reached = asyncio.Event()
    server = Server()

    async def app(scope, receive, send):
        await receive()
        await send(START)
        await send(part(CHAT[1]))
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(StreamMiddleware(app)(scope(), server.receive, server.send))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert watched.outcomes == ["cancelled"]


async def test_errors_are_the_very_same_objects(watched):
    error, server = RuntimeError("theirs"), Server()

    async def app(scope, receive, send):
        raise error

    with pytest.raises(RuntimeError) as caught:
        await StreamMiddleware(app)(scope(), server.receive, server.send)

    assert caught.value is error


@pytest.mark.usefixtures("swallow")
@pytest.mark.parametrize("message", [{}, {"type": "http.response.start"}, {"type": "other"}])
async def test_odd_messages_are_the_servers_business(watched, message):
    server = Server({"kind": "odd"})
    await StreamMiddleware(streaming(message))(scope(), server.receive, server.send)

    assert server.sent == [message]


@pytest.mark.parametrize(
    ("server", "query", "path"),
    [
        (None, b"", "/v1/chat/completions"),
        (("/run/gateway.sock", None), b"a=1", "/v1/chat/completions"),
        (("::1", 80), b"beta=true", "/v1/chat/completions"),
    ],
)
async def test_addresses_of_every_kind_are_understood(watched, server, query, path):
    far = Server()
    asked = scope(server=server, query_string=query, path=path)
    await StreamMiddleware(streaming(START, *map(part, CHAT), LAST))(asked, far.receive, far.send)

    assert watched.started[0].model == "gpt-5"


def test_of_several_headers_of_one_name_the_first_counts():
    assert lower([(b"X-A", b"1"), (b"x-a", b"2"), (b"B", b"\xff")]) == {"x-a": "1", "b": "ÿ"}


@pytest.mark.parametrize("end", ["lifespan.shutdown.complete", "lifespan.shutdown.failed"])
async def test_what_is_held_back_is_sent_before_the_server_is_through(watched, monkeypatch, end):
    """uvicorn ends a process with the signal it got, and nothing runs at exit."""
    order = []
    monkeypatch.setattr(watched.runtime, "flush", lambda: order.append("flush"))

    async def app(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})
        await send({"type": end})

    async def send(message):
        order.append(message["type"])

    await StreamMiddleware(app)({"type": "lifespan"}, None, send)

    assert order == ["lifespan.startup.complete", "flush", end]
