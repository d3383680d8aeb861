"""What the demo's tests share: servers on free loopback ports."""

from __future__ import annotations

import contextlib

import pytest
from serving import uvicorn_server


@pytest.fixture
def serve():
    """Return a function that serves an ASGI app until the test ends and gives its URL."""
    with contextlib.ExitStack() as stack:

        def start(app):
            port = stack.enter_context(uvicorn_server(app, lifespan="auto"))
            return f"http://127.0.0.1:{port}"

        yield start
