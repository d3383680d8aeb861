from __future__ import annotations

import json

import pytest
from publishing import Publisher

from otel_stream.config import Settings
from otel_stream.live import endpoint as endpoint_module
from otel_stream.live.endpoint import Asked, Endpoint, Stream
from otel_stream.live.feed import Feed
from otel_stream.live.gate import Gate
from otel_stream.live.recent import Recent


class Asking(Publisher):
    def __init__(self, *, gate=None, metrics=None, status=None, **settings):
        super().__init__()
        recent = Recent()
        self.broadcaster.add_listener(recent.on_event)
        self.feed = Feed(self.processor, Settings(**settings), recent)
        self.endpoint = Endpoint(self.feed, gate=gate, metrics=metrics, status=status)

    def ask(self, path, query="", method="GET", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.endpoint.answer(Asked(method, path, query, headers))

    def error(self, *args, **kwargs):
        reply = self.ask(*args, **kwargs)
        return reply.status, json.loads(reply.body)["error"]


def test_the_page_is_served_with_its_policy():
    reply = Asking().ask("/")

    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<!doctype html>" in reply.body
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]


def test_nothing_is_stored_or_shared_with_other_sites():
    for path in ("/", "/snapshot", "/nothing"):
        headers = Asking().ask(path).headers

        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("access-control")]


def test_the_snapshot_is_json_with_who_watches():
    asking = Asking()
    asking.open("req_1")
    asking.complete(asking.open("req_2"))

    reply = asking.ask("/snapshot")
    told = json.loads(reply.body)

    assert reply.headers["content-type"] == "application/json"
    assert [stream["request_id"] for stream in told["streams"]] == ["req_1"]
    assert [recent["ended"]["request_id"] for recent in told["recent"]] == ["req_2"]
    assert told["clients"] == {"watching": 0, "refused": 0, "dropped": 0}


def test_the_process_says_what_is_hooked_in_it():
    reply = Asking(status=lambda: b'{"pid":1}').ask("/status")

    assert (reply.status, reply.headers["content-type"], reply.body) == (
        200,
        "application/json",
        b'{"pid":1}',
    )
    assert Asking().error("/status")[0] == 404


def test_the_snapshot_can_be_filtered():
    asking = Asking()
    asking.open("req_1", model="claude-sonnet-4")
    asking.open("req_2")

    told = json.loads(asking.ask("/snapshot", "model=claude").body)

    assert [stream["request_id"] for stream in told["streams"]] == ["req_1"]


def test_text_that_is_not_allowed_is_refused_when_it_is_insisted_on():
    assert Asking().error("/events", "text=true") == (
        403,
        "this gateway keeps text off the live feed; OTEL_STREAM_LIVE_TEXT=true in its environment allows it",
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("/nothing",), (404, "no /nothing; there are /, /events, /snapshot")),
        (("/snapshot", "refresh=0"), (400, "refresh must be seconds from 0.5 to 3600; got '0'")),
        (("/events", "", "POST"), (405, "there is nothing to change here; GET and HEAD are answered")),
        (("/", "", "OPTIONS"), (405, "there is nothing to change here; GET and HEAD are answered")),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_explained(asked, expected):
    assert Asking().error(*asked) == expected


def test_metrics_are_there_if_they_are_given():
    asking = Asking(metrics=lambda accept: ("text/plain", accept.encode()))

    reply = asking.ask("/metrics", accept="application/openmetrics-text")

    assert (reply.headers["content-type"], reply.body) == ("text/plain", b"application/openmetrics-text")
    assert Asking().ask("/metrics").status == 404


def test_who_is_not_let_in_is_counted():
    asking = Asking(gate=Gate("s3cret", ("127.0.0.1:1",)))

    refused = asking.ask("/snapshot", host="127.0.0.1:1")
    passed = asking.ask("/snapshot", host="127.0.0.1:1", authorization="Bearer s3cret")

    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(passed.body)["clients"]["refused"] == 1


async def test_events_are_a_stream_that_begins_with_a_snapshot(monkeypatch):
    monkeypatch.setattr(endpoint_module, "BATCH_SECONDS", 0)
    asking = Asking()

    reply = asking.ask("/events")
    begin = await anext(reply.body)
    asking.open("req_1")
    more = await anext(reply.body)
    asking.broadcaster.close()
    rest = [chunk async for chunk in reply.body]
    reply.body.close()

    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert b"event: snapshot" in begin
    assert b'"type":"started"' in more
    assert rest == []


async def test_only_so_many_may_watch(monkeypatch):
    monkeypatch.setattr(endpoint_module, "MAX_WATCHERS", 2)
    asking = Asking()
    watchers = [asking.ask("/events") for _ in range(2)]

    refused = asking.ask("/events")
    watchers[0].body.close()
    later = asking.ask("/events")

    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert json.loads(refused.body) == {"error": "2 are watching already"}
    assert asking.feed.clients.refused == 1
    for reply in (watchers[1], later):
        assert isinstance(reply.body, Stream)
        reply.body.close()


async def test_a_place_is_held_for_who_left_and_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr(endpoint_module, "_TEND_SECONDS", 0)
    asking = Asking()
    seconds = [0.0]
    asking.feed.clock = lambda: seconds[0]
    reply = asking.ask("/events")
    tending = asking.endpoint._tending
    second = asking.ask("/events")
    assert asking.endpoint._tending is tending

    second.body.close()
    reply.body.close()
    held = asking.broadcaster.receiver_count()
    seconds[0] += 3600
    await tending

    assert (held, asking.broadcaster.receiver_count()) == (1, 0)
    asking.ask("/events").body.close()
    assert asking.endpoint._tending is not tending
    seconds[0] += 3600
    await asking.endpoint._tending


def test_a_question_for_the_head_of_the_events_subscribes_nobody():
    asking = Asking()

    reply = asking.ask("/events", method="HEAD")

    assert (reply.status, reply.body, asking.broadcaster.receiver_count()) == (200, b"", 0)
