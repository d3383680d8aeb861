from __future__ import annotations

import asyncio
import socket

import pytest
from publishing import Publisher

from otel_stream.config import Settings
from otel_stream.live import endpoint as endpoint_module
from otel_stream.live import http
from otel_stream.live.endpoint import Endpoint
from otel_stream.live.feed import Feed
from otel_stream.live.recent import Recent


class Peer(Publisher):
    """The other end of a connection that is answered in this test's event loop."""

    def __init__(self, capacity=1000):
        super().__init__(capacity)
        self.feed = Feed(self.processor, Settings(live_text=True), Recent())
        self.endpoint = Endpoint(self.feed)

    async def connect(self):
        theirs, ours = socket.socketpair()
        ours.setblocking(False)
        self.answering = asyncio.get_running_loop().create_task(http.exchange(ours, self.endpoint))
        self.reader, self.writer = await asyncio.open_connection(sock=theirs)
        return self

    async def say(self, text):
        self.writer.write(text.encode("latin-1"))
        await self.writer.drain()
        return self

    async def get(self, path, method="GET", more=""):
        return await self.say(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n")

    async def read_until(self, wanted):
        got = b""
        while wanted not in got:
            piece = await self.reader.read(65536)
            assert piece, got
            got += piece
        return got

    async def rest(self):
        data = await self.reader.read()
        await self.answering
        self.writer.close()
        return data


async def test_a_question_is_answered_and_the_connection_closed():
    peer = await (await Peer().connect()).get("/snapshot?model=gpt")

    head, _, body = (await peer.rest()).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in head.lower()
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert body.startswith(b'{"type":"snapshot"')


async def test_a_head_has_no_body():
    peer = await (await Peer().connect()).get("/snapshot", "HEAD")

    head, _, body = (await peer.rest()).partition(b"\r\n\r\n")

    assert (head[:15], body) == (b"HTTP/1.1 200 \r\n", b"")


async def test_events_go_out_as_they_come():
    peer = await (await Peer().connect()).get("/events")
    begin = await peer.read_until(b"event: snapshot")

    peer.say_hello = peer.open("req_1")
    more = await peer.read_until(b'"started"')
    peer.broadcaster.close()
    end = await peer.rest()

    assert b"transfer-encoding: chunked" in begin.lower()
    assert b'"request_id":"req_1"' in more
    assert end.endswith(b"0\r\n\r\n")
    assert peer.feed.clients.watching == 0


async def test_a_watcher_that_leaves_is_noticed_at_the_next_turn():
    peer = await (await Peer().connect()).get("/events")
    await peer.read_until(b"event: snapshot")

    peer.writer.close()
    await peer.answering

    assert peer.feed.clients.watching == 0


async def test_a_watcher_that_does_not_read_is_let_go_and_counted(monkeypatch, caplog):
    monkeypatch.setattr(http, "STALL_SECONDS", 0.05)
    monkeypatch.setattr(endpoint_module, "BATCH_SECONDS", 0.001)
    caplog.set_level("INFO")
    peer = await (await Peer(capacity=100).connect()).get("/events")

    while not peer.answering.done():
        peer.burst(100, text="x" * 10_000)
        await asyncio.sleep(0.001)
    await peer.answering

    assert (peer.feed.clients.dropped, peer.feed.clients.watching) == (1, 0)
    assert caplog.messages == ["a watcher of the live feed is dropped: it took nothing for 0.05 s"]
    peer.writer.close()


async def test_a_slow_watcher_is_told_what_it_missed(monkeypatch):
    """It is not dropped as long as it takes something; the log does not grow for it."""
    monkeypatch.setattr(endpoint_module, "BATCH_SECONDS", 0.001)
    peer = await (await Peer(capacity=100).connect()).get("/events")
    await peer.read_until(b"event: snapshot")
    for _ in range(50):
        peer.burst(100, text="x" * 10_000)
        await asyncio.sleep(0.001)

    got = await peer.read_until(b"event: lagged")
    more = b'"missed":' in got or await peer.read_until(b'"missed":')
    peer.broadcaster.close()
    await peer.rest()

    assert more
    assert peer.feed.clients.dropped == 0


async def test_who_says_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.01)
    peer = await Peer().connect()

    assert await peer.rest() == b""


@pytest.mark.parametrize(
    "text",
    [
        "\x16\x03\x01\x00\xa5\x01",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /" + "x" * 20_000,
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ],
    ids=["TLS", "no path", "no host", "too long", "two hosts"],
)
async def test_what_is_no_request_is_not_answered(text):
    peer = await (await Peer().connect()).say(text)
    assert await peer.rest() == b""


async def test_who_leaves_before_asking_is_forgotten():
    peer = await Peer().connect()

    peer.writer.close()
    await peer.answering


async def test_who_leaves_before_the_answer_is_forgotten():
    peer = await (await Peer().connect()).get("/snapshot")

    peer.writer.transport.abort()
    await peer.answering


async def test_a_request_may_come_in_pieces():
    peer = await (await Peer().connect()).say("GET /snapshot HT")
    await asyncio.sleep(0)
    await peer.say("TP/1.1\r\nhost: x\r\n\r\n")

    assert (await peer.rest()).startswith(b"HTTP/1.1 200")
