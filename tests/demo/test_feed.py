from __future__ import annotations

import asyncio

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.demo import feed
from otel_stream.events import Started, TextDelta
from otel_stream.live import tail_writer

BIG = "x" * 500_000  # larger than asyncio's own limit of a line


async def test_what_a_gateway_writes_is_heard(tmp_path):
    path = tmp_path / "events.sock"
    heard: asyncio.Queue = asyncio.Queue()
    broadcaster = StreamEventBroadcaster()
    story = [Started("r", "m"), TextDelta("r", BIG)]

    async with feed.listen(path, heard.put_nowait):
        stop = await asyncio.to_thread(tail_writer.start, broadcaster, str(path))
        for event in story:
            broadcaster.send(event)
        received = [await heard.get() for _ in story]
        await asyncio.to_thread(stop)

    assert received == story


async def test_several_gateways_are_heard(tmp_path):
    path = tmp_path / "events.sock"
    heard: asyncio.Queue = asyncio.Queue()

    async with feed.listen(path, heard.put_nowait):
        for name in ("one", "two"):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"type":"text_delta","request_id":"%s","text":""}\n' % name.encode())
            writer.close()
            await writer.wait_closed()
        names = {(await heard.get()).request_id for _ in range(2)}

    assert names == {"one", "two"}
