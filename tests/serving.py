"""Real servers on loopback in a thread, and callers that may hang up.

The caller uses a library that we do not watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import queue
import socket
import threading
from dataclasses import dataclass, field

import uvicorn
from aiohttp import web
from werkzeug.serving import make_server


@contextlib.contextmanager
def uvicorn_server(app, **options):
    """Run an ASGI app; gives its port."""
    up = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            up.set()

    listening = socket.create_server(("127.0.0.1", 0))
    settings = {"lifespan": "off", "log_level": "critical", "ws": "none", "timeout_graceful_shutdown": 5}
    server = Server(uvicorn.Config(app, **(settings | options)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert up.wait(30)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextlib.contextmanager
def aiohttp_server(app, **options):
    """Run an aiohttp.web application in a thread; gives its port."""
    loop, ports = asyncio.new_event_loop(), queue.SimpleQueue()

    async def run():
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **options)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.put(runner.addresses[0][1])
        await stopping.wait()
        await runner.cleanup()

    stopping = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        yield ports.get(timeout=30)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


@contextlib.contextmanager
def werkzeug_server(app):
    """Run a WSGI app, each request in a thread; gives its port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str] = field(compare=False)
    body: bytes


class Caller:
    """Someone who asks the gateway. Reads to the end, or hangs up once some text has come."""

    def __init__(self, port):
        self.port = port

    def ask(self, payload, headers=None, path="/v1/chat/completions", until=None):
        """Return the reply; with `until`, hang up as soon as these bytes came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            body = json.dumps(payload).encode()
            connection.request("POST", path, body, {"content-type": "application/json"} | (headers or {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), _read(response, until))
        finally:
            connection.close()


def _read(response, until):
    got = b""
    with contextlib.suppress(http.client.IncompleteRead):
        while until is None or until not in got:
            piece = response.read1(65536)
            if not piece:
                break
            got += piece
    response.close()
    return got
