from __future__ import annotations

import contextlib
import queue
import socket
import threading

import pytest
from publishing import Publisher, until

from otel_stream.config import Settings
from otel_stream.events import Completed, Started, TextDelta
from otel_stream.live import client
from otel_stream.live.client import FeedError, Refused, Watching, ask, snapshot
from otel_stream.live.frames import Snapshot
from otel_stream.live.rendezvous import Address, Target, discover
from otel_stream.live.server import serve

SNAPSHOT = b'{"type":"snapshot","gateway":{"pid":1,"service":"x","epoch":"e"},"time_unix_nano":1}'


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(client, "RETRY_SECONDS", (0.0, 0.001))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


@pytest.fixture(params=["unix", "tcp"])
def gateway(request, place):
    """A publisher that is served, the server, and its target."""
    publisher = Publisher()
    settings = Settings(live=request.param, live_path=str(place), live_text=True)
    server = serve(publisher.processor, settings)
    (target,) = discover(place)
    yield publisher, server, target
    server.close()


class Heard:
    """Watches a target and gathers what it delivers."""

    def __init__(self, target, query="", size=100):
        self.queue = queue.Queue(size)
        self.frames = []
        self.links = []
        self.watching = Watching(target, self.queue, query)

    def until(self, condition):
        while not condition(self):
            delivery = self.queue.get(timeout=20)
            self.frames += delivery.frames
            if delivery.link is not None:
                self.links.append((delivery.link, delivery.note))
        return self

    def kinds(self):
        return [type(frame) for frame in self.frames]

    def stop(self):
        self.watching.stop()
        self.watching.join(20)
        assert not self.watching._thread.is_alive()


def test_events_arrive_as_frames(gateway):
    publisher, _, target = gateway
    heard = Heard(target).until(lambda heard: heard.frames)

    stream = publisher.open("req_1")
    publisher.say(stream, "Hello")
    publisher.complete(stream)
    heard.until(lambda heard: len(heard.frames) == 4)
    heard.stop()

    assert heard.links == [("live", "")]
    assert heard.kinds() == [Snapshot, Started, TextDelta, Completed]
    assert heard.frames[2].text == "Hello"
    until(lambda: publisher.broadcaster.receiver_count() == 1)  # its place is held for a while


def test_a_lost_connection_is_taken_up_where_it_was(gateway):
    publisher, _, target = gateway
    heard = Heard(target).until(lambda heard: heard.frames)
    publisher.open("req_1")
    heard.until(lambda heard: len(heard.frames) == 2)

    heard.watching._socket.shutdown(socket.SHUT_RDWR)
    publisher.open("req_2")
    heard.until(lambda heard: len(heard.frames) == 4)
    heard.stop()

    assert heard.kinds() == [Snapshot, Started, Snapshot, Started]
    assert heard.frames[2].resumed
    assert [link for link, _ in heard.links] == ["live", "connecting", "live"]


def test_a_gateway_that_ended_is_gone(gateway):
    _, server, target = gateway
    heard = Heard(target).until(lambda heard: heard.frames)

    server.close()
    heard.until(lambda heard: heard.links[-1][0] == "gone")
    heard.stop()

    assert heard.links[:2] == [("live", ""), ("connecting", "the feed ended")]
    assert heard.links[-1] == ("gone", "the process ended")


def test_a_feed_that_comes_to_its_end_is_asked_again(gateway):
    publisher, _, target = gateway
    heard = Heard(target).until(lambda heard: heard.frames)

    publisher.broadcaster.close()
    heard.until(lambda heard: len(heard.links) > 1)
    heard.stop()

    assert heard.links[:2] == [("live", ""), ("connecting", "the feed ended")]


def test_what_is_refused_is_told_with_its_reason(gateway):
    _, _, target = gateway
    heard = Heard(target, "events=none").until(lambda heard: heard.links)
    heard.stop()

    assert heard.links[0] == ("refused", "events are started, text_delta, completed, error; got 'none'")
    with pytest.raises(Refused, match="no /nothing; there are"):
        ask(target, "/nothing")


def test_a_snapshot_is_had_without_watching(gateway):
    publisher, _, target = gateway
    publisher.open("req_1", model="claude-sonnet-4")
    publisher.open("req_2")

    found = snapshot(target, "model=claude")

    assert [state.request_id for state in found.streams] == ["req_1"]
    assert publisher.broadcaster.receiver_count() == 0


def test_without_the_token_there_is_nothing(place):
    publisher = Publisher()
    server = serve(publisher.processor, Settings(live="tcp", live_path=str(place)))
    (target,) = discover(place)
    try:
        with pytest.raises(Refused, match="Bearer"):
            ask(Target(target.key, address=Address(target.address.url, "guess")), "/snapshot")
    finally:
        server.close()


class Odd:
    """A server that says the same to everybody."""

    def __init__(self, path, answer):
        self.target = Target("1", socket=str(path))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the client may be gone
                connection.recv(65536)
                connection.sendall(self._answer)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def odd(tmp_path):
    started = []

    def start(body, status="200 OK"):
        head = f"HTTP/1.1 {status}\r\nconnection: close\r\n\r\n".encode()
        started.append(Odd(tmp_path / "1.sock", head + body if status else body))
        return started[-1].target

    yield start
    for server in started:
        server.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nonsense", "JSON is malformed"),
        (b'{"type":"lagged","missed":1}', "no snapshot"),
        (b"{}", "missing"),
    ],
)
def test_what_is_no_snapshot_is_an_error(odd, body, message):
    with pytest.raises(FeedError, match=message):
        snapshot(odd(body))


@pytest.mark.parametrize("body", [b"down", b"[]", b'{"oh":"no"}'])
def test_a_refusal_without_a_reason_tells_its_status(odd, body):
    with pytest.raises(Refused, match="HTTP 500"):
        ask(odd(body, "500 Oops"), "/snapshot")


def test_what_is_no_http_is_an_error(odd):
    target = odd(b"SSH-2.0-OpenSSH_9.2\r\n", "")
    with pytest.raises(FeedError, match=r"1\.sock: SSH-2\.0"):
        ask(target, "/snapshot")

    heard = Heard(target).until(lambda heard: heard.links)
    heard.stop()

    assert heard.links[0] == ("connecting", "SSH-2.0-OpenSSH_9.2\r\n")


def test_frames_that_are_not_understood_are_counted_and_skipped(odd):
    """A gateway may be of a newer version."""
    target = odd(b'data: {"type":"dance"}\n\ndata: ' + SNAPSHOT + b"\n\n: ping\n\n")

    heard = Heard(target).until(lambda heard: heard.frames)
    heard.stop()

    assert heard.kinds()[0] is Snapshot
    assert heard.watching.skipped >= 1


def test_nobody_there_is_gone(tmp_path):
    heard = Heard(Target("1", socket=str(tmp_path / "none.sock"))).until(lambda heard: heard.links)
    heard.stop()

    assert heard.links[0] == ("gone", "the process ended")


def test_who_takes_nothing_makes_the_reader_wait_and_may_still_stop_it(gateway):
    publisher, _, target = gateway
    heard = Heard(target, size=1)
    until(heard.queue.full)
    until(lambda: publisher.broadcaster.receiver_count() == 1)

    publisher.open("req_1")
    heard.stop()
