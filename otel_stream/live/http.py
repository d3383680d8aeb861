"""One HTTP/1.1 exchange over an accepted socket, then the connection is closed.

h11 reads and writes the protocol. An ASGI server would bring its logging and its instrumentation hooks into
the gateway's process, and be patient with slow and dead peers; here each has its time and its buffer.
https://h11.readthedocs.io/
"""

from __future__ import annotations

import asyncio
import socket
import time

import h11

from otel_stream.live.endpoint import Asked, Endpoint, Reply

MAX_HEAD_BYTES = 16 << 10  # of a request line and its headers; h11's own default
HEAD_SECONDS = 5.0  # to send them
STALL_SECONDS = 10.0  # a watcher that takes nothing of a full buffer for so long is let go
HIGH_WATER_BYTES = 256 << 10  # written and not yet taken; half a second of 1,000 events a second
_READ_BYTES = 4096


class Stalled(Exception):  # noqa: N818 - it is what happened
    """The peer does not read."""


async def exchange(connection: socket.socket, endpoint: Endpoint) -> None:
    """Answer the one request of a connection and close it. Raises nothing that a peer can cause."""
    reader, writer = await _streams(connection)
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    try:
        asked = await _request(http, reader)
        if asked is not None:
            await _send(http, reader, writer, asked, endpoint)
    except Stalled:
        endpoint.drop(f"it took nothing for {STALL_SECONDS:g} s")
        writer.transport.abort()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _streams(connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _request(http: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
    """Return the request; None when the peer left, was too slow, or sent something else."""
    try:
        return await asyncio.wait_for(_head(http, reader), HEAD_SECONDS)
    except (asyncio.TimeoutError, h11.RemoteProtocolError):
        return None


async def _head(http: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
    while True:
        event = http.next_event()
        if isinstance(event, h11.Request):
            return _asked(event)
        if event is not h11.NEED_DATA:
            return None
        http.receive_data(await reader.read(_READ_BYTES))


def _asked(request: h11.Request) -> Asked:
    path, _, query = request.target.decode("latin-1").partition("?")
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return Asked(request.method.decode("latin-1"), path, query, headers)


async def _send(
    http: h11.Connection,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    asked: Asked,
    endpoint: Endpoint,
) -> None:
    reply = endpoint.answer(asked)
    try:
        await _write(http, writer, _start(reply))
        if isinstance(reply.body, bytes):
            if asked.method != "HEAD":
                await _write(http, writer, h11.Data(reply.body))
        else:
            async for chunk in reply.body:
                if reader.at_eof():
                    return
                if chunk:
                    await _write(http, writer, h11.Data(chunk))
        await _write(http, writer, h11.EndOfMessage(), unread=0)
    finally:
        if not isinstance(reply.body, bytes):
            reply.body.close()


def _start(reply: Reply) -> h11.Response:
    headers = {**reply.headers, "connection": "close"}
    if isinstance(reply.body, bytes):
        headers["content-length"] = str(len(reply.body))
    return h11.Response(status_code=reply.status, headers=list(headers.items()))


async def _write(
    http: h11.Connection, writer: asyncio.StreamWriter, event: h11.Event, unread: int = HIGH_WATER_BYTES
) -> None:
    """Write, and wait until the peer has taken all but `unread` bytes. Raises: Stalled, ConnectionError."""
    transport = writer.transport
    data = http.send(event)
    if data:
        transport.write(data)
    give_up = time.monotonic() + STALL_SECONDS
    while transport.get_write_buffer_size() > unread and not transport.is_closing():
        if time.monotonic() > give_up:
            raise Stalled
        await asyncio.sleep(STALL_SECONDS / 200)
    if transport.is_closing():
        raise ConnectionResetError("the peer left")
