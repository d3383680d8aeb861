"""Server tap for any application under uvicorn: the contract with a bare ASGI application, and no doubles."""

from __future__ import annotations

import contextlib

from instrumentation.server_contract import CHAT_REQUEST, Acts, ServerContract
from provider import CHAT
from serving import Caller, uvicorn_server
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from watching import watching

from otel_stream.asgi import StreamMiddleware


def bare(acts):
    """An application without a framework."""

    async def app(scope, receive, send):
        headers = dict(scope["headers"])
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        act = headers[b"x-act"].decode()
        head = [(name.encode(), value.encode()) for name, value in acts.head(act).items()]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        response = StreamingResponse(acts.asynchronous(act, body))
        await response({**scope, "asgi": {"spec_version": "2.3"}}, receive, _without_start(send))

    return app


def _without_start(send):
    async def rest(message):
        if message["type"] != "http.response.start":
            await send(message)

    return rest


@contextlib.contextmanager
def loaded_while_watched(app):
    """Start a server while its taps are in; it goes on when they are out."""
    with contextlib.ExitStack() as stack:
        with watching():
            port = stack.enter_context(uvicorn_server(app))
        yield port


class TestBare(ServerContract):
    @staticmethod
    def serve(acts):
        return loaded_while_watched(bare(acts))


def starlette(acts):
    async def answer(request):
        act, body = request.headers["x-act"], await request.body()
        return StreamingResponse(acts.asynchronous(act, body), headers=acts.head(act))

    return Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])


class TestStarletteInside(ServerContract):
    """Two taps around one request are one call."""

    @staticmethod
    def serve(acts):
        return loaded_while_watched(starlette(acts))


def test_the_tap_can_be_switched_off():
    with watching(disabled_taps=("uvicorn",)) as watched, uvicorn_server(bare(Acts())) as port:
        Caller(port).ask(CHAT_REQUEST, {"x-act": "made_up"})

    assert watched.events == []


def test_an_explicit_middleware_changes_nothing():
    with watching() as watched, uvicorn_server(StreamMiddleware(bare(Acts()))) as port:
        reply = Caller(port).ask(CHAT_REQUEST, {"x-act": "made_up"})
        watched.until(1)

    assert (reply.body, watched.outcomes) == (b"".join(CHAT), ["completed"])
