from __future__ import annotations

import os

import pytest
from publishing import Publisher

from otel_stream.broadcaster import Closed
from otel_stream.config import Settings
from otel_stream.events import Completed, Started, TextDelta
from otel_stream.framing.sse import SSEDecoder
from otel_stream.live import feed as feed_module
from otel_stream.live.feed import Feed, service_name
from otel_stream.live.frames import Lagged, Snapshot, decode_frame
from otel_stream.live.recent import Recent
from otel_stream.live.wish import Wish


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


class Watched(Publisher):
    """A publisher with a feed, and what a watcher reads of it as frames."""

    def __init__(self, capacity=1000, **settings):
        super().__init__(capacity)
        self.clock = Clock()
        recent = Recent()
        self.broadcaster.add_listener(recent.on_event)
        self.feed = Feed(self.processor, Settings(**settings), recent, clock=self.clock)

    def watch(self, query="", last_id=""):
        return Reading(self.feed.subscribe(Wish(query), last_id))


class Reading:
    def __init__(self, subscription):
        self.subscription = subscription
        self.last_id = ""
        self._decoder = SSEDecoder()
        self.first = self._frames(subscription.first())

    def more(self):
        return self._frames(self.subscription.more())

    def _frames(self, data):
        events = self._decoder.feed(data)
        if events:
            self.last_id = events[-1].id
        frames = [decode_frame(event.raw) for event in events]
        named = [event.event for event in events]
        assert named == [{Snapshot: "snapshot", Lagged: "lagged"}.get(type(f), "message") for f in frames]
        return frames

    def close(self):
        self.subscription.close()


def kinds(frames):
    return [type(frame).__name__ for frame in frames]


def test_the_first_frame_is_a_snapshot():
    watched = Watched(live_text=True)
    stream = watched.open("req_1", tenant="acme")
    watched.say(stream, "Hello")

    (snapshot,) = watched.watch().first

    (state,) = snapshot.streams
    assert (state.request_id, state.tenant, state.characters) == ("req_1", "acme", 5)
    assert (snapshot.gateway.pid, snapshot.gateway.text, snapshot.resumed) == (os.getpid(), True, False)


def test_events_follow_with_the_streams_that_ended_before():
    watched = Watched(live_text=True)
    watched.complete(watched.open("req_0"))

    reading = watched.watch()
    stream = watched.open("req_1")
    watched.say(stream, "Hello")
    watched.complete(stream)

    assert [finished.ended.request_id for finished in reading.first[0].recent] == ["req_0"]
    started, delta, completed = reading.more()
    assert (started.request_id, delta.text, completed.output_tokens) == ("req_1", "Hello", 7)
    assert reading.more() == []


def test_without_permission_only_the_length_of_text_is_told():
    watched = Watched()
    reading = watched.watch()

    watched.say(watched.open(), "secret")
    watched.broadcaster.send(TextDelta("req_2", "secret"))

    deltas = [frame for frame in reading.more() if isinstance(frame, TextDelta)]
    assert [(delta.text, delta.length) for delta in deltas] == [("", 6), ("", 6)]
    assert not reading.first[0].gateway.text


def test_the_text_of_private_streams_is_told_to_nobody():
    watched = Watched(live_text=True)
    reading = watched.watch()

    watched.say(watched.open(private=True), "secret")

    (_, delta) = reading.more()
    assert (delta.text, delta.length) == ("", 6)


def test_a_watcher_may_do_without_text():
    watched = Watched(live_text=True)
    reading = watched.watch("text=false")

    watched.say(watched.open(), "secret")

    assert reading.more()[1].text == ""


def test_who_comes_back_goes_on_where_it_was():
    watched = Watched()
    reading = watched.watch()
    stream = watched.open("req_1")
    reading.more()
    reading.close()

    watched.say(stream, "while away")
    watched.feed.tend()
    watched.say(stream, "still away")
    again = watched.watch(last_id=reading.last_id)

    assert [(type(f), f.resumed) for f in again.first] == [(Snapshot, True)]
    assert [delta.length for delta in again.more()] == [10, 10]


def test_who_comes_back_at_once_has_an_id_from_the_snapshot_already():
    watched = Watched()
    reading = watched.watch()
    reading.close()

    watched.open("req_1")

    assert kinds(watched.watch(last_id=reading.last_id).more()) == ["Started"]


def test_who_comes_back_too_late_for_some_is_told_how_many_and_set_right():
    watched = Watched(capacity=5)
    reading = watched.watch()
    reading.close()
    watched.open("req_1")
    watched.burst(10)

    again = watched.watch(last_id=reading.last_id)
    lagged, *events, snapshot = again.more()

    assert (lagged.missed, len(events)) == (6, 5)
    assert [state.request_id for state in snapshot.streams] == ["req_1"]


@pytest.mark.parametrize("last_id", ["0badc0de-5", "nonsense", "-", "0badc0de-", "{epoch}-x", "{epoch}-²"])
def test_who_comes_back_from_another_time_is_told_that_something_is_missing(last_id):
    watched = Watched()
    keep = watched.watch()
    epoch = keep.first[0].gateway.epoch

    again = watched.watch(last_id=last_id.format(epoch=epoch))

    assert again.first[0].missed is None
    assert kinds(again.first) == ["Lagged", "Snapshot"]


def test_a_place_is_held_for_a_while_only():
    watched = Watched()
    reading = watched.watch()
    reading.close()
    held = watched.feed.tend(), watched.broadcaster.receiver_count()

    watched.clock.seconds += feed_module.LINGER_SECONDS
    given_up = watched.feed.tend(), watched.broadcaster.receiver_count()

    assert (held, given_up) == ((True, 1), (False, 0))
    assert kinds(watched.watch(last_id=reading.last_id).first) == ["Lagged", "Snapshot"]


def test_a_second_watcher_leaves_without_holding_anything():
    watched = Watched()
    first, second = watched.watch(), watched.watch()

    second.close()
    second.close()

    assert watched.broadcaster.receiver_count() == 1
    assert watched.feed.clients.watching == 1
    first.close()
    watched.feed.close()
    assert watched.broadcaster.receiver_count() == 0


def test_who_lags_is_told_and_set_right_by_a_snapshot_but_not_too_often():
    watched = Watched(capacity=5)
    reading = watched.watch()
    watched.open("req_1")

    watched.burst(10)
    at_once = kinds(reading.more())
    watched.clock.seconds += 1
    later = kinds(reading.more())
    watched.burst(6)
    again = kinds(reading.more())

    assert at_once == ["Lagged", *["TextDelta"] * 5]
    assert later == ["Snapshot"]
    assert again == ["Lagged", *["TextDelta"] * 5]


def test_the_place_told_with_a_gap_is_before_what_is_still_kept():
    """A connection may break between the two; what follows the gap must not be lost with it."""
    watched = Watched(capacity=5)
    reading = watched.watch()
    watched.burst(10)

    lagged, *_ = SSEDecoder().feed(reading.subscription.more())

    assert lagged.id.endswith("-5")


def test_snapshots_come_at_intervals_if_asked_for():
    watched = Watched()
    reading = watched.watch("refresh=2")
    watched.complete(watched.open("req_1"))

    before = kinds(reading.more())
    watched.clock.seconds += 2
    (snapshot,) = reading.more()

    assert before == ["Started", "Completed"]
    assert [finished.ended.request_id for finished in snapshot.recent] == ["req_1"]


def test_snapshots_that_take_long_come_seldom():
    watched = Watched()
    states = watched.processor.snapshot

    def slow():
        watched.clock.seconds += 1
        return states()

    watched.processor.snapshot = slow
    reading = watched.watch("refresh=2")

    watched.clock.seconds += 50
    meanwhile = reading.more()
    watched.clock.seconds += 50
    due = kinds(reading.more())

    assert (meanwhile, due) == ([], ["Snapshot"])


def test_a_quiet_feed_says_that_it_lives():
    watched = Watched()
    reading = watched.watch()
    quiet = reading.subscription.more()

    watched.clock.seconds += feed_module.PING_SECONDS

    assert (quiet, reading.subscription.more(), reading.subscription.more()) == (b"", b": ping\n\n", b"")


def test_filters_choose_streams_and_move_the_last_id_on():
    watched = Watched()
    reading = watched.watch("model=claude")
    claude = watched.open("req_1", model="claude-sonnet-4")
    gpt = watched.open("req_2")

    watched.say(claude, "a")
    watched.say(gpt, "b")
    data = reading.subscription.more()

    assert [decode_frame(event.raw).request_id for event in SSEDecoder().feed(data)] == ["req_1", "req_1"]
    assert data.endswith(b"-4\n\n")


def test_filters_know_the_streams_that_were_there_before():
    watched = Watched()
    claude, gpt = watched.open("req_1", model="claude-sonnet-4"), watched.open("req_2")
    reading = watched.watch("model=claude")

    watched.complete(claude)
    watched.complete(gpt)

    assert [state.request_id for state in reading.first[0].streams] == ["req_1"]
    assert [frame.request_id for frame in reading.more()] == ["req_1"]


def test_the_end_of_the_broadcast_is_told():
    watched = Watched()
    reading = watched.watch()
    watched.open("req_1")

    watched.broadcaster.close()

    assert kinds(reading.more()) == ["Started"]
    with pytest.raises(Closed):
        reading.more()
    reading.close()
    assert watched.feed.tend() is False


@pytest.mark.parametrize(
    ("named", "attributes", "expected"),
    [
        ("shop", "service.name=other", "shop"),
        ("", "team=x, service.name = other", "other"),
        ("", "", "gateway.py"),
    ],
)
def test_the_gateway_is_called_what_its_environment_says(monkeypatch, named, attributes, expected):
    monkeypatch.setenv("OTEL_SERVICE_NAME", named)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
    monkeypatch.setattr("sys.argv", ["/srv/gateway.py"])

    assert service_name() == expected


def test_events_are_the_public_ones():
    watched = Watched(live_text=True)
    reading = watched.watch()
    watched.complete(watched.open("req_1"))

    assert [type(frame) for frame in reading.more()] == [Started, Completed]
