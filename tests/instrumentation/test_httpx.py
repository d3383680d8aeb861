"""Client tap for httpx, httpx2 and httpxyz: the contract, and what only this family does."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import httpx
import httpx2
import httpxyz
import pytest
from hypothesis import given
from hypothesis import strategies as st
from instrumentation.contract import CHAT_REQUEST, ClientContract, Got
from provider import CHAT, TEXT, sse
from watching import watching

from otel_stream.instrumentation._tap import begin
from otel_stream.instrumentation.httpx import async_stream
from otel_stream.meaning import Request
from otel_stream.outcome import class_name

FAMILY = [httpx, httpx2, httpxyz]
URL = "https://api.openai.com/v1/chat/completions"


def nothing():
    """Nothing to do meanwhile."""


class Sync:
    def __init__(self, module):
        self.module = module

    def _client(self, ask):
        return self.module.Client(timeout=ask.timeout, follow_redirects=True, trust_env=False, verify=False)

    def _open(self, client, ask):
        request = client.build_request("POST", ask.url, content=ask.body, headers=ask.headers)
        return client.send(request, stream=True)

    def read(self, ask, meanwhile=nothing):
        status, chunks = None, []
        with self._client(ask) as client:
            try:
                response = self._open(client, ask)
                status = response.status_code
                meanwhile()
                chunks.extend(response.iter_raw())
            except self.module.HTTPError as error:
                return Got(status, b"".join(chunks), str(error), type(error))
        return Got(status, b"".join(chunks))

    def part(self, ask, close):
        with self._client(ask) as client:
            response = self._open(client, ask)
            chunks = response.iter_raw()
            next(chunks)
            if close:
                response.close()
            del chunks, response
            gc.collect()

    def unread(self, ask, close, meanwhile=nothing):
        with self._client(ask) as client:
            response = self._open(client, ask)
            meanwhile()
            if close:
                response.close()
            del response
            gc.collect()


class Async(Sync):
    def _client(self, ask):
        return self.module.AsyncClient(
            timeout=ask.timeout, follow_redirects=True, trust_env=False, verify=False
        )

    def read(self, ask, meanwhile=nothing):
        return asyncio.run(self._read(ask, meanwhile))

    async def _read(self, ask, meanwhile):
        status, chunks = None, []
        async with self._client(ask) as client:
            try:
                response = await self._open(client, ask)
                status = response.status_code
                meanwhile()
                async for chunk in response.aiter_raw():
                    chunks.append(chunk)  # noqa: PERF401 - what came before an error counts
            except self.module.HTTPError as error:
                return Got(status, b"".join(chunks), str(error), type(error))
        return Got(status, b"".join(chunks))

    def part(self, ask, close):
        asyncio.run(self._part(ask, close))

    async def _part(self, ask, close):
        async with self._client(ask) as client:
            response = await self._open(client, ask)
            chunks = response.aiter_raw()
            await anext(chunks)
            if close:
                await response.aclose()
            del chunks, response
            gc.collect()
            await asyncio.sleep(0)

    def unread(self, ask, close, meanwhile=nothing):
        asyncio.run(self._unread(ask, close, meanwhile))

    async def _unread(self, ask, close, meanwhile):
        async with self._client(ask) as client:
            response = await self._open(client, ask)
            meanwhile()
            if close:
                await response.aclose()
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


@pytest.fixture(params=FAMILY, ids=lambda module: module.__name__)
def module(request):
    return request.param


class TestSync(ClientContract):
    @pytest.fixture
    def client(self, module):
        return Sync(module)


class TestAsync(ClientContract):
    can_cancel = True

    @pytest.fixture
    def client(self, module):
        return Async(module)


# -- what only this family does


def test_the_three_are_three():
    """httpxyz takes the name of httpx unless httpx was imported before it."""
    assert [module.__name__ for module in FAMILY] == ["httpx", "httpx2", "httpxyz"]


def streamed(module, chunks, error=None):
    """A transport whose body is the module's own kind of stream, sync and async."""

    class Body(module.SyncByteStream, module.AsyncByteStream):
        def __iter__(self):
            yield from chunks
            if error is not None:
                raise error

        async def __aiter__(self):
            for chunk in self:
                yield chunk

    headers = {"content-type": "text/event-stream"}
    return module.MockTransport(lambda request: module.Response(200, headers=headers, stream=Body()))


def post(client):
    return client.stream("POST", URL, json=CHAT_REQUEST)


def test_chunks_are_the_very_same_objects(module, watched):
    chunks = [b"".join(CHAT[:2]), *CHAT[2:]]
    with module.Client(transport=streamed(module, chunks)) as client, post(client) as response:
        got = list(response.stream)

    assert [id(chunk) for chunk in got] == [id(chunk) for chunk in chunks]
    assert watched.outcomes == ["completed"]


async def test_async_chunks_are_the_very_same_objects(module, watched):
    chunks = [b"".join(CHAT[:2]), *CHAT[2:]]
    async with module.AsyncClient(transport=streamed(module, chunks)) as client, post(client) as response:
        got = [chunk async for chunk in response.stream]

    assert [id(chunk) for chunk in got] == [id(chunk) for chunk in chunks]
    assert watched.outcomes == ["completed"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_exceptions_are_the_very_same_objects(module, watched, kind):
    error = kind("theirs")
    with (
        module.Client(transport=streamed(module, CHAT[:2], error)) as client,
        pytest.raises(kind) as caught,
        post(client) as response,
    ):
        response.read()

    assert caught.value is error
    assert watched.outcomes == ["cancelled" if kind is KeyboardInterrupt else "error"]


@given(chunks=st.lists(st.binary(max_size=64) | st.sampled_from(CHAT), max_size=12), fails=st.booleans())
@pytest.mark.usefixtures("swallow")
def test_arbitrary_chunks_and_a_broken_sink_never_reach_the_host(chunks, fails):
    error = OSError("theirs") if fails else None

    def read():
        got, caught = [], None
        with httpx2.Client(transport=streamed(httpx2, chunks, error)) as client:
            try:
                with post(client) as response:
                    got.extend(response.iter_raw())
            except OSError as e:
                caught = e
        return got, caught

    def broken(*_):
        raise RuntimeError("our bug")

    with watching() as watched:
        watched.runtime.broadcaster.add_listener(broken, deltas=True)
        got, caught = read()

    assert (b"".join(got), caught) == (b"".join(chunks), error)
    assert len(watched.started) == len(watched.ended) == 1


def test_a_watched_stream_is_the_modules_own_kind_and_answers_for_the_original(module, watched):
    with module.Client(transport=streamed(module, CHAT)) as client, post(client) as response:
        stream = response.stream
        response.read()

    assert isinstance(stream, module.SyncByteStream)
    assert response.elapsed.total_seconds() >= 0
    with pytest.raises(AttributeError):
        _ = stream.nothing_of_the_kind


def test_an_answer_the_transport_brought_whole_is_read_at_once(module, watched):
    """`MockTransport(content=…)` and caches: the body stream is never iterated."""
    headers = {"content-type": "text/event-stream", "content-encoding": "identity"}
    transport = module.MockTransport(
        lambda request: module.Response(200, headers=headers, content=b"".join(CHAT))
    )
    with module.Client(transport=transport) as client:
        body = client.post(URL, json=CHAT_REQUEST).content

    assert (body, watched.outcomes, watched.text) == (b"".join(CHAT), ["completed"], TEXT)


def test_a_redirect_that_is_not_followed_ends_the_stream(module, watched):
    transport = module.MockTransport(lambda request: module.Response(307, headers={"location": "/elsewhere"}))
    with module.Client(transport=transport) as client:
        status = client.post(URL, json=CHAT_REQUEST).status_code
    watched.settle()

    assert (status, watched.outcomes) == (307, ["abandoned"])


def test_a_request_sent_again_after_a_redirect_is_watched_again(module, watched):
    answers = iter([module.Response(307, headers={"location": "/elsewhere"}), *[None] * 2])
    events = {"content-type": "text/event-stream"}

    def handle(request):
        return next(answers) or module.Response(200, headers=events, content=b"".join(CHAT))

    with module.Client(transport=module.MockTransport(handle), follow_redirects=True) as client:
        request = client.build_request("POST", URL, json=CHAT_REQUEST)
        client.send(request)
        client.send(request)

    assert watched.outcomes == ["completed", "completed"]


async def test_streams_that_are_no_generators_are_watched_too(watched):
    class Body(httpx.AsyncByteStream):
        def __init__(self):
            self.chunks = list(CHAT)

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.chunks:
                raise StopAsyncIteration
            return self.chunks.pop(0)

    tap = begin(Request("POST", URL, {}, b'{"model": "gpt-5", "stream": true}'), {})
    tap.responded(200, {"content-type": "text/event-stream"})
    got = [chunk async for chunk in async_stream(httpx)(Body(), tap)]

    assert (got, watched.outcomes) == (list(CHAT), ["completed"])


def test_request_bodies_that_stream_are_not_read(module, watched):
    def body():
        yield b'{"model": "gpt-5",'
        yield b' "stream": true}'

    with (
        module.Client(transport=streamed(module, CHAT)) as client,
        client.stream("POST", URL, content=body()) as response,
    ):
        response.read()
    (completed,) = watched.ended

    assert (completed.outcome, completed.response_model) == ("completed", "gpt-5-2025")


def test_a_client_that_rides_on_a_watched_one_is_left_alone(watched):
    """httpx2 over another client: the outer request is the call."""

    class Riding(httpx2.BaseTransport):
        def handle_request(self, request):
            with httpx.Client(transport=streamed(httpx, CHAT)) as inner:
                answer = inner.post(str(request.url), content=request.read())
            return httpx2.Response(200, headers=answer.headers, stream=httpx2.ByteStream(answer.content))

    with httpx2.Client(transport=Riding()) as client:
        client.post(URL, json=CHAT_REQUEST)

    assert watched.outcomes == ["completed"]


async def test_a_foreign_exception_in_the_read_is_named_in_the_error(watched):
    error = httpx.ReadError("connection lost")
    async with httpx.AsyncClient(transport=streamed(httpx, CHAT[:2], error)) as client:
        with pytest.raises(httpx.ReadError):
            async with post(client) as response:
                await response.aread()
    (event,) = watched.ended

    assert (event.error_type, event.message) == (class_name(error), "connection lost")


def test_garbage_collected_async_generators_do_no_harm_without_a_loop(watched):
    async def read_one(response):
        async for _ in response.aiter_raw():
            return

    async def main():
        client = httpx.AsyncClient(transport=streamed(httpx, sse({}) * 3))
        response = await client.send(client.build_request("POST", URL, json=CHAT_REQUEST), stream=True)
        await read_one(response)
        return response

    response = asyncio.run(main())
    del response
    watched.settle()

    assert watched.outcomes in (["cancelled"], ["abandoned"])


ALIAS = """
from otel_stream.instrumentation import HOOKS, StreamInstrumentor
StreamInstrumentor().instrument(prometheus=False)
import httpx2
original = httpx2.Client._send_single_request.__wrapped__
httpx2.alias_httpx()
import httpx
assert httpx is httpx2
assert httpx.Client._send_single_request.__wrapped__ is original
StreamInstrumentor().uninstrument()
StreamInstrumentor().instrument(prometheus=False)
assert httpx.Client._send_single_request.__wrapped__ is original
StreamInstrumentor().uninstrument()
assert httpx.Client._send_single_request is original
"""


def test_httpx2_may_still_take_the_name_of_httpx():
    """`alias_httpx()` raises when httpx was imported: we must not have done so."""
    done = subprocess.run([sys.executable, "-c", ALIAS], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
