from __future__ import annotations

import pytest
from publishing import until
from telling import START

from otel_stream.events import Started
from otel_stream.live.frames import Snapshot
from otel_stream.tui import attach
from otel_stream.tui.meters import NS
from otel_stream.tui.model import Model
from otel_stream.tui.record import line_of
from otel_stream.tui.sources import FORGET_SECONDS, LiveSource, ReplaySource


class Watching:
    """A model that watches the gateways of a folder by a clock of the test's own."""

    def __init__(self, gateways):
        self.now = START
        self.model = Model()
        self.source = LiveSource(gateways, clock=lambda: self.now)
        self.frames = []

    def until(self, condition):
        def met():
            self.now += NS // 10
            self.frames += self.source.poll(self.model)
            return condition()

        until(met)

    def links(self):
        return {key: feed.link for key, feed in self.model.feeds.items()}


@pytest.fixture
def watching(options):
    made = []

    def watch():
        made.append(Watching(attach.gateways_of(options(attach))))
        return made[-1]

    yield watch
    for one in made:
        one.source.close()


def test_gateways_come_and_go_and_are_forgotten(serving, watching):
    one = watching()
    gateway = serving()
    gateway.open("req_1")
    one.until(lambda: one.model.rows)

    gateway.close()
    one.until(lambda: one.links() == {gateway.key: "gone"})
    lost = one.model.rows["req_1"].state(one.now)
    one.now += int(FORGET_SECONDS * NS)
    one.until(lambda: not one.model.feeds)

    assert lost == "lost"
    assert [type(recorded.frame) for recorded in one.frames[:1]] == [Snapshot]


def test_a_gateway_that_died_without_a_farewell_is_gone_and_its_successor_is_watched(serving, watching):
    one = watching()
    first = serving()
    first.open("req_1")
    one.until(lambda: one.model.rows)
    socket = first.server.path
    socket.rename(socket.with_suffix(".kept"))  # as if it had been killed: the file stays
    first.close()
    socket.with_suffix(".kept").rename(socket)
    one.until(lambda: one.links() == {first.key: "gone"})

    second = serving()
    second.open("req_2")
    one.until(lambda: "req_2" in one.model.rows)

    assert one.links()[second.key] == "live"


def test_without_gateways_it_says_where_it_looks(watching, place):
    one = watching()
    one.source.poll(one.model)

    assert str(place) in one.source.hint()


def test_a_folder_that_is_not_safe_is_complained_about(watching, place):
    place.mkdir()
    place.chmod(0o755)
    one = watching()
    one.source.poll(one.model)

    assert "is open to other users" in one.source.hint()


def test_the_speed_of_a_recording_has_limits():
    lines = [line_of("1", Started("a", "m", time_unix_nano=START))]
    source = ReplaySource(lines, clock=lambda: 0.0)

    for _ in range(20):
        source.faster(2)
    fast = source.speed
    for _ in range(40):
        source.faster(0.5)

    assert (fast, source.speed) == (64, 1 / 8)
    source.close()


def test_an_empty_recording_says_so():
    source = ReplaySource([b"nonsense\n"], clock=lambda: 0.0)

    assert (source.poll(Model()), source.ended) == ([], True)
    assert source.hint() == "nothing is recorded here (1 lines are no frames)"
