"""The live endpoint mounted in an instrumented gateway: it shows streams and is none itself."""

from __future__ import annotations

import http.client
import json

import pytest
from serving import uvicorn_server
from starlette.applications import Starlette

from otel_stream import runtime
from otel_stream.asgi import StreamMiddleware
from otel_stream.config import Settings
from otel_stream.events import TextDelta
from otel_stream.live.asgi import LiveApp
from otel_stream.meaning import CallFacts

FACTS = CallFacts("openai", "chat", "gpt-4o", "openai_chat")


@pytest.fixture
def ours():
    yield runtime.start(Settings(prometheus=False))
    runtime.stop()


def test_the_feed_shows_streams_and_is_not_taken_for_one(ours):
    heard = []
    ours.broadcaster.add_listener(heard.append)
    app = Starlette()
    app.mount("/live", LiveApp(lambda: ours.processor, authorize=lambda scope: True, text=True))
    stream = ours.open_stream(FACTS, request_id="req_1")

    with uvicorn_server(StreamMiddleware(app)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/live/events")
        answer = connection.getresponse()
        read = answer.read1(65536)
        ours.broadcaster.send(TextDelta("req_1", "Hello"))
        while b"Hello" not in read:
            read += answer.read1(65536)
        connection.close()
        answer.close()

    first = next(line for line in read.splitlines() if line.startswith(b"data: "))
    assert [state["request_id"] for state in json.loads(first[6:])["streams"]] == ["req_1"]
    assert {event.request_id for event in heard} == {"req_1"}
    stream.end("eof")
