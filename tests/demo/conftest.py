"""What the demo's tests share: servers on free loopback ports."""

from __future__ import annotations

import contextlib
import threading

import pytest
import uvicorn


class Server(uvicorn.Server):
    """Uvicorn in a thread; `url` once it is up."""

    def __init__(self, app):
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="auto"))
        self.up = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        self.up.set()

    @property
    def url(self):
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@pytest.fixture
def serve():
    """Return a function that serves an ASGI app until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(app):
            server = Server(app)
            thread = threading.Thread(target=server.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(setattr, server, "should_exit", True)
            assert server.up.wait(30)
            return server

        yield start
