"""Client tap for aiohttp: the contract, and what only aiohttp does."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import aiohttp
import httpx
import pytest
from aiohttp import StreamReader
from instrumentation.contract import CHAT_REQUEST, ClientContract, Got
from multidict import CIMultiDict
from provider import CHAT, COMPLETION, TEXT, Answer, document
from watching import watching

ERRORS = (aiohttp.ClientError, asyncio.TimeoutError)


def nothing():
    """Nothing to do meanwhile."""


def session(timeout=30.0, **options):
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=timeout), **options)


class Client:
    def _session(self, ask):
        return session(ask.timeout, auto_decompress=False)

    def _open(self, session, ask):
        return session.post(ask.url, data=ask.body, headers=ask.headers)

    def read(self, ask, meanwhile=nothing):
        return asyncio.run(self._read(ask, meanwhile))

    async def _read(self, ask, meanwhile):
        status, chunks = None, []
        try:
            async with self._session(ask) as session, self._open(session, ask) as response:
                status = response.status
                meanwhile()
                async for chunk in response.content.iter_any():
                    chunks.append(chunk)  # noqa: PERF401 - what came before an error counts
        except ERRORS as error:
            return Got(status, b"".join(chunks), str(error), type(error))
        return Got(status, b"".join(chunks))

    def part(self, ask, close):
        asyncio.run(self._part(ask, close))

    async def _part(self, ask, close):
        async with self._session(ask) as session:
            response = await self._open(session, ask)
            await response.content.readany()
            if close:
                response.close()
            del response
            gc.collect()

    def unread(self, ask, close, meanwhile=nothing):
        asyncio.run(self._unread(ask, close, meanwhile))

    async def _unread(self, ask, close, meanwhile):
        async with self._session(ask) as session:
            response = await self._open(session, ask)
            meanwhile()
            if close:
                response.release()
            del response
            gc.collect()

    def cancel(self, ask, when):
        asyncio.run(self._cancel(ask, when))

    async def _cancel(self, ask, when):
        task = asyncio.ensure_future(self._read(ask, nothing))
        await asyncio.to_thread(when)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class TestContract(ClientContract):
    can_cancel = True

    @pytest.fixture
    def client(self):
        return Client()


# -- what only aiohttp does


async def by_chunks(content):
    return [chunk async for chunk, _ in content.iter_chunks()]


async def by_size(content):
    return [chunk async for chunk in content.iter_chunked(7)]


async def by_line(content):
    return [line async for line in content]


async def at_once(content):
    return [await content.read()]


async def until_nothing(content):
    got = []
    while piece := await content.readuntil(b"}"):
        got.append(piece)
    return got


async def exactly(content):
    return [await content.readexactly(len(b"".join(CHAT)))]


async def without_waiting(content):
    got = [await content.read(1)]
    await content.wait_eof()
    got.append(content.read_nowait())
    return got


@pytest.mark.parametrize(
    "read", [by_chunks, by_size, by_line, at_once, until_nothing, exactly, without_waiting]
)
async def test_every_way_of_reading_is_watched(provider, watched, read):
    async with session() as s, s.post(provider.url(), json=CHAT_REQUEST) as response:
        got = await read(response.content)

    assert (b"".join(got), watched.outcomes, watched.text) == (b"".join(CHAT), ["completed"], TEXT)


async def test_the_content_is_a_stream_reader_for_those_who_ask(provider, watched):
    """LiteLLM's transport asks."""
    async with session() as s, s.post(provider.url(), json=CHAT_REQUEST) as response:
        content = response.content
        await content.read()

    assert (isinstance(content, StreamReader), content.total_bytes) == (True, len(b"".join(CHAT)))


async def test_the_responses_own_methods_are_watched(provider, watched):
    provider.answer = document()
    async with session() as s, s.post(provider.url(), json={"model": "gpt-5"}) as response:
        answer = await response.json()

    assert (answer["id"], watched.outcomes) == ("chatcmpl-2", ["completed"])


async def test_a_read_given_up_for_a_moment_ends_nothing(provider, watched):
    """Gateways wait for the next bytes with a time limit, send their caller a ping and go on reading."""
    provider.answer = Answer(hold_after=2)
    async with session() as s, s.post(provider.url(), json=CHAT_REQUEST) as response:
        got = b""
        while len(got) < len(b"".join(CHAT[:2])):
            got += await response.content.readany()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(response.content.readany(), 0.01)
        provider.release()
        got += await response.content.read()

    assert (got, watched.outcomes) == (b"".join(CHAT), ["completed"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_content_dropped_after_a_cancelled_read_was_cancelled(provider, watched):
    provider.answer = Answer(hold_after=2)
    async with session() as s:
        response = await s.post(provider.url(), json=CHAT_REQUEST)
        await response.content.readany()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(response.content.readexactly(1 << 20), 0.01)
        del response  # which the open connection still holds
    watched.settle()

    assert watched.outcomes == ["cancelled"]


async def test_a_cancelled_read_of_a_chunk_is_no_end_either(provider, watched):
    provider.answer = Answer(hold_after=0)
    async with session() as s, s.post(provider.url(), json=CHAT_REQUEST) as response:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(response.content.readchunk(), 0.01)
        provider.release()
        await response.content.read()

    assert watched.outcomes == ["completed"]


async def test_raise_for_status_hides_no_status(provider, watched):
    provider.answer = document(b"{}", 429)
    async with session(raise_for_status=True) as s:
        with pytest.raises(aiohttp.ClientResponseError):
            await s.post(provider.url(), json=CHAT_REQUEST)
    (error,) = watched.ended

    assert (error.outcome, error.error_type) == ("error", "429")


@pytest.mark.parametrize(
    ("options", "model"),
    [
        ({"json": CHAT_REQUEST}, "gpt-5"),
        ({"data": '{"model": "gpt-5"}'}, "gpt-5"),
        ({"data": bytearray(b'{"model": "gpt-5"}')}, "gpt-5"),
        ({"data": aiohttp.JsonPayload({"model": "gpt-5"})}, "gpt-5"),
        ({"data": {"model": "a form"}}, "unknown"),
        ({}, "unknown"),
    ],
    ids=["json", "text", "bytearray", "payload", "form", "nothing"],
)
async def test_the_request_is_read_where_it_is_there(provider, watched, options, model):
    async with session() as s, s.post(provider.url(), **options) as response:
        await response.read()

    assert watched.started[0].model == model


async def test_json_only_the_host_can_serialize_is_not_our_trouble(provider, watched):
    async with (
        session(json_serialize=lambda _: '{"model": "gpt-5"}') as s,
        s.post(provider.url(), json=object()) as response,
    ):
        await response.read()

    assert (watched.started[0].model, provider.requests[0].body) == ("unknown", b'{"model": "gpt-5"}')


async def test_relative_addresses_are_understood(provider, watched):
    async with session(base_url=provider.url("/v1/")) as s, s.post("chat/completions") as response:
        await response.read()

    assert watched.started[0].server_address == "127.0.0.1"


@pytest.mark.parametrize(
    "headers", [None, {"X-A": "1"}, [("X-A", "1"), ("X-A", "2")], CIMultiDict([("X-A", "1"), ("X-A", "2")])]
)
async def test_headers_of_every_shape_survive_the_trace_context(provider, headers):
    with watching(propagate_hosts=("*",)):
        async with session() as s, s.post(provider.url(), json=CHAT_REQUEST, headers=headers) as response:
            await response.read()
    (request,) = provider.requests

    assert "traceparent" in request.headers
    assert ("x-a" in request.headers) == (headers is not None)


async def test_an_answer_a_middleware_has_read_is_read_at_once(provider, watched):
    async def read_it(request, handler):
        response = await handler(request)
        await response.read()
        return response

    provider.answer = document()
    async with session(middlewares=(read_it,)) as s, s.post(provider.url(), json={"model": "m"}) as response:
        body = await response.read()

    assert (body, watched.outcomes) == (COMPLETION, ["completed"])


async def test_httpx_over_aiohttp_is_one_stream(provider, watched):
    """As LiteLLM's transport and openai's `DefaultAioHttpClient` have it."""

    class Over(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            async with session() as s, s.post(str(request.url), data=await request.aread()) as response:
                body = await response.read()
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    async with httpx.AsyncClient(transport=Over()) as client:
        await client.post(provider.url(), json=CHAT_REQUEST)

    assert watched.outcomes == ["completed"]
