from __future__ import annotations

import asyncio
import json

import pytest
from publishing import Publisher

from otel_stream.live import asgi
from otel_stream.live import endpoint as endpoint_module
from otel_stream.live.asgi import LiveApp


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(endpoint_module, "BATCH_SECONDS", 0)


class Caller:
    """Calls an app as an ASGI server would; `sent` is what the app sent."""

    def __init__(self, app):
        self.app = app
        self.sent = []
        self.left = asyncio.Event()
        self.send_error = None
        self.stuck = False

    async def receive(self):
        if not self.sent:
            return {"type": "http.request"}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if self.sent and self.send_error:
            raise self.send_error
        if self.sent and self.stuck:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def get(self, path, query="", method="GET", root="/live", **headers):
        scope = {
            "type": "http",
            "method": method,
            "path": root + path,
            "root_path": root,
            "query_string": query.encode(),
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()],
        }
        await self.app(scope, self.receive, self.send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self):
        return b"".join(message["body"] for message in self.sent[1:])


def app_of(publisher, **options):
    return LiveApp(lambda: publisher.processor, **{"authorize": lambda scope: True, **options})


async def test_the_snapshot_is_below_where_it_is_mounted():
    publisher = Publisher()
    app = app_of(publisher)
    publisher.open("req_1")

    caller = await Caller(app).get("/snapshot")

    assert (caller.status, caller.headers["content-type"]) == (200, "application/json")
    assert [state["request_id"] for state in json.loads(caller.body)["streams"]] == ["req_1"]
    assert caller.headers["content-length"] == str(len(caller.body))


async def test_a_head_has_no_body():
    caller = await Caller(app_of(Publisher())).get("/snapshot", method="HEAD")

    assert (caller.status, caller.body) == (200, b"")


async def test_the_page_is_reached_without_the_closing_slash():
    caller = await Caller(app_of(Publisher())).get("")

    assert (caller.status, caller.headers["location"]) == (307, "/live/")


async def later(scope):
    return scope["path"] == "/live/snapshot"


@pytest.mark.parametrize(
    ("authorize", "path", "status"),
    [
        (lambda scope: False, "/snapshot", 403),
        (lambda scope: False, "/", 403),
        (later, "/events", 403),
        (later, "/snapshot", 200),
    ],
)
async def test_the_gateway_decides_who_may_look(authorize, path, status):
    caller = await Caller(app_of(Publisher(), authorize=authorize)).get(path)

    assert caller.status == status


def test_it_is_never_open_by_default():
    with pytest.raises(TypeError, match="authorize"):
        LiveApp(lambda: None)


async def test_without_a_processor_there_is_nothing_yet():
    caller = await Caller(LiveApp(lambda: None, authorize=lambda scope: True)).get("/snapshot")

    assert (caller.status, json.loads(caller.body)) == (
        503,
        {"error": "nothing is instrumented in this process"},
    )


async def test_text_stays_inside_unless_it_is_let_out():
    publisher = Publisher()

    refused = await Caller(app_of(publisher)).get("/events", "text=true")

    assert refused.status == 403
    assert json.loads((await Caller(app_of(publisher, text=True)).get("/snapshot")).body)["gateway"]["text"]


async def test_events_end_with_the_broadcast():
    publisher = Publisher()
    caller = Caller(app_of(publisher))
    answering = asyncio.get_running_loop().create_task(caller.get("/events"))
    while len(caller.sent) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)

    publisher.open("req_1")
    publisher.broadcaster.close()
    await answering

    assert caller.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert b"event: snapshot" in caller.body
    assert b'"type":"started"' in caller.body
    assert caller.sent[-1] == {"type": "http.response.body", "body": b""}


async def watching(caller, publisher):
    answering = asyncio.get_running_loop().create_task(caller.get("/events"))
    while not publisher.broadcaster.receiver_count():  # noqa: ASYNC110
        await asyncio.sleep(0)
    return answering


async def test_a_watcher_that_leaves_is_noticed():
    publisher = Publisher()
    caller = Caller(app_of(publisher))
    answering = await watching(caller, publisher)

    caller.left.set()
    await answering

    assert caller.app._endpoint.feed.clients.watching == 0


async def test_a_watcher_that_left_while_it_was_sent_to_is_no_error():
    publisher = Publisher()
    caller = Caller(app_of(publisher))
    caller.send_error = OSError("gone")

    await (await watching(caller, publisher))

    assert caller.app._endpoint.feed.clients.watching == 0


async def test_a_watcher_that_does_not_read_is_let_go_and_counted(monkeypatch):
    monkeypatch.setattr(asgi, "STALL_SECONDS", 0.01)
    publisher = Publisher()
    caller = Caller(app_of(publisher))
    caller.stuck = True

    await (await watching(caller, publisher))

    assert caller.app._endpoint.feed.clients.dropped == 1
    assert caller.app._endpoint.feed.clients.watching == 0


async def test_other_protocols_are_refused():
    with pytest.raises(NotImplementedError, match="not websocket"):
        await app_of(Publisher())({"type": "websocket"}, None, None)
