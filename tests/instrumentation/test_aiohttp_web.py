"""Server tap for aiohttp.web: the contract, and what only aiohttp does."""

from __future__ import annotations

import pytest
from aiohttp import web
from instrumentation.server_contract import CHAT_REQUEST, ServerContract
from provider import CHAT, COMPLETION, EVENT_STREAM, TEXT
from serving import Caller, aiohttp_server
from watching import watching


def gateway(acts):
    async def answer(request):
        act, body = request.headers["x-act"], await request.read()
        response = web.StreamResponse(headers=acts.head(act))
        await response.prepare(request)
        async for chunk in acts.asynchronous(act, body):
            await response.write(chunk)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    return app


class TestStreams(ServerContract):
    @staticmethod
    def serve(acts):
        return aiohttp_server(gateway(acts))


class TestCancellation(ServerContract):
    """aiohttp cancels handlers of callers who hang up where it is asked to."""

    @staticmethod
    def serve(acts):
        return aiohttp_server(gateway(acts), handler_cancellation=True)


class TestPayloads(ServerContract):
    """Responses whose body is an asynchronous iterator, written by aiohttp itself."""

    @staticmethod
    def serve(acts):
        async def answer(request):
            act, body = request.headers["x-act"], await request.read()
            return web.Response(body=acts.asynchronous(act, body), headers=acts.head(act))

        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        return aiohttp_server(app)


# -- what only aiohttp does


def ask(handler, **options):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    with aiohttp_server(app) as port:
        return Caller(port).ask(CHAT_REQUEST, **options)


async def made_up(request):
    await request.read()
    response = web.StreamResponse(headers=EVENT_STREAM)
    if "accept-encoding" in request.headers:
        response.enable_compression()
    await response.prepare(request)
    await response.prepare(request)  # twice is allowed
    for chunk in CHAT:
        await response.write(chunk)
    return response


def test_a_prepared_response_is_answered_once(watched):
    reply = ask(made_up)

    assert (reply.body, watched.until(1).outcomes, watched.text) == (b"".join(CHAT), ["completed"], TEXT)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_answers_compressed_on_their_way_out_are_read_before(watched, encoding):
    reply = ask(made_up, headers={"accept-encoding": encoding})

    assert reply.headers["Content-Encoding"] == encoding
    assert (watched.until(1).outcomes, watched.text) == (["completed"], TEXT)


def test_answers_compressed_as_a_whole_are_read_too(watched):
    async def handler(request):
        await request.read()
        response = web.Response(body=COMPLETION * 1, content_type="application/json")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    reply = ask(handler)

    assert reply.headers["Content-Encoding"] == "gzip"
    assert watched.until(1).outcomes == ["completed"]


def test_http_errors_that_are_raised_are_answers(watched):
    async def handler(request):
        raise web.HTTPTooManyRequests

    assert (ask(handler).status, watched.events) == (429, [])


def test_a_body_nobody_reads_says_nothing(watched):
    async def handler(request):
        return web.Response(body=COMPLETION, content_type="application/json")

    ask(handler)
    (started,) = watched.until(1).started

    assert started.model == "unknown"


def test_suppression_is_respected(monkeypatch):
    monkeypatch.setattr("otel_stream.foreign.suppressed", lambda: True)
    with watching() as watched:
        ask(made_up)

    assert watched.events == []
