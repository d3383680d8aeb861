from __future__ import annotations

import importlib.util
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from publishing import Publisher, until

from otel_stream.config import Settings
from otel_stream.live import client, http, rendezvous, server
from otel_stream.live.rendezvous import discover
from otel_stream.live.server import serve


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def serving(place):
    """Start servers in `place`; they are closed afterwards."""
    started = []

    def start(publisher=None, metrics=None, **settings):
        publisher = publisher or Publisher()
        given = {"live": "unix", "live_path": str(place), **settings}
        started.append(serve(publisher.processor, Settings(**given), metrics=metrics))
        return publisher, started[-1]

    yield start
    for running in started:
        if running is not None:
            running.close()


def only(place):
    (target,) = discover(place)
    return target


def test_nothing_is_served_unless_asked_for(place):
    publisher = Publisher()

    assert serve(publisher.processor, Settings(live_path=str(place))) is None
    assert not place.exists()


def test_streams_are_told_over_a_socket_of_the_users_own(serving, place):
    publisher, running = serving()
    publisher.open("req_1")

    found = client.snapshot(only(place))

    assert [state.request_id for state in found.streams] == ["req_1"]
    assert running.path == place / f"{os.getpid()}.sock"
    assert stat.S_IMODE(running.path.lstat().st_mode) == 0o600


def test_a_long_answer_arrives_whole(serving, place):
    publisher, _ = serving()
    for number in range(2000):
        publisher.open(f"req_{number}", tenant="x" * 500)

    assert len(client.snapshot(only(place)).streams) == 2000


def test_the_end_removes_the_socket_and_the_thread(serving, place):
    publisher, running = serving()
    client.snapshot(only(place))

    running.close()
    running.close()

    assert not list(place.iterdir())
    assert not [thread for thread in threading.enumerate() if thread.name == "otel-stream-live"]
    assert publisher.broadcaster.receiver_count() == 0


def test_the_end_lets_watchers_go(serving, place):
    publisher, running = serving()
    with socket.socket(socket.AF_UNIX) as watcher:
        watcher.connect(str(running.path))
        watcher.sendall(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: publisher.broadcaster.receiver_count() == 1)

        running.close()

        while watcher.recv(65536):
            pass
    assert publisher.broadcaster.receiver_count() == 0


def test_what_came_just_before_the_end_reaches_watchers(serving, place):
    """A gateway that is told to end cancels its streams, and ends before the next batch is due."""
    publisher, running = serving()
    stream = publisher.open("req_1")
    with socket.socket(socket.AF_UNIX) as watcher:
        watcher.connect(str(running.path))
        watcher.sendall(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
        got = watcher.recv(65536)
        until(lambda: publisher.broadcaster.receiver_count() == 1)

        publisher.fail(stream, "the end is near")
        running.close()

        while more := watcher.recv(65536):
            got += more
    assert b"the end is near" in got
    assert got.endswith(b"0\r\n\r\n")


def test_metrics_are_served_if_given(serving, place):
    serving(metrics=lambda accept: ("text/plain", b"llm_stream_active 0\n"))

    assert client.ask(only(place), "/metrics") == b"llm_stream_active 0\n"


# -- a port


def get(url, path="snapshot", **headers):
    request = urllib.request.Request(url + path, headers={n.replace("_", "-"): v for n, v in headers.items()})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_port_asks_for_the_token_in_the_file(serving, place):
    publisher, running = serving(live="tcp")
    publisher.open("req_1")
    token = json.loads(running.path.read_text())["token"]

    assert get(running.url) == 401
    assert get(running.url, authorization="Bearer wrong") == 401
    assert get(running.url, f"snapshot?token={token}") == 401
    assert get(running.url, authorization=f"Bearer {token}") == 200
    assert get(running.url, authorization=f"Bearer {token}", host="evil.example") == 403
    assert get(running.url, authorization=f"Bearer {token}", origin="http://evil.example") == 403
    assert get(running.url, "") == 200
    assert [state.request_id for state in client.snapshot(only(place)).streams] == ["req_1"]


def test_a_port_is_on_the_loopback_address_only(serving):
    _, running = serving(live="tcp")

    assert running.url.startswith("http://127.0.0.1:")
    assert running._listener.getsockname()[0] == "127.0.0.1"


def test_the_token_is_neither_logged_nor_readable_by_others(serving, caplog):
    caplog.set_level("DEBUG")
    _, running = serving(live="tcp")

    assert json.loads(running.path.read_text())["token"] not in caplog.text
    assert stat.S_IMODE(running.path.lstat().st_mode) == 0o600
    assert running.url in caplog.text


def test_a_taken_port_is_replaced_by_a_free_one(serving, caplog):
    caplog.set_level("INFO")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        _, running = serving(live="tcp", live_port=port)

    assert str(port) not in running.url
    assert f"port {port} is taken (Address already in use); the live feed takes a free one" in caplog.messages


# -- what can go wrong


def test_without_its_extra_it_says_what_to_install(monkeypatch, caplog, place):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "h11" else find(name))

    assert serve(Publisher().processor, Settings(live="unix", live_path=str(place))) is None
    assert caplog.messages == ["the live feed needs h11: pip install 'otel-stream[live]'"]


@pytest.mark.parametrize("live", ["unix", "tcp"])
def test_a_folder_others_can_enter_is_not_used(serving, place, caplog, live):
    place.mkdir(mode=0o755)

    publisher, running = serving(live=live)
    problem = f"{place} is open to other users; chmod 700 {place}"

    assert running is None
    assert caplog.messages == [
        f"the live feed is not served: {problem}; nothing else is affected",
    ]
    assert not publisher.broadcaster._listeners


def test_no_free_port_at_all_is_logged(serving, monkeypatch, caplog):
    monkeypatch.setattr(rendezvous.socket, "socket", Unbindable)

    assert serving(live="tcp")[1] is None
    assert "the live feed is not served: " in caplog.text


class Unbindable(socket.socket):
    def bind(self, address):
        raise OSError(99, "Cannot assign requested address")


def test_who_is_not_welcome_is_turned_away_and_counted(serving, place, monkeypatch):
    serving()
    monkeypatch.setattr(rendezvous, "peer_is_welcome", lambda connection: False)
    with pytest.raises(client.FeedError):
        client.snapshot(only(place))
    monkeypatch.undo()

    assert json.loads(client.ask(only(place), "/snapshot"))["clients"]["refused"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("opened", [False, True], ids=["as it is", "modes opened by somebody"])
def test_another_user_gets_nothing(serving, place, tmp_path, opened):
    _, running = serving()
    for folder in [*reversed(tmp_path.parents[:-2]), tmp_path]:
        folder.chmod(0o755)
    if opened:
        place.chmod(0o755)
        running.path.chmod(0o666)
    program = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as peer:
    try:
        peer.connect(sys.argv[1])
        peer.sendall(b"GET /snapshot HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
        print(peer.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""

    told = subprocess.run(
        [sys.executable, "-c", program, str(running.path)], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert told in (["b''", "BrokenPipeError", "ConnectionResetError"] if opened else ["PermissionError"])


def test_dead_connections_leave_room_for_others(serving, place, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.2)
    _, running = serving()
    dead = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for connection in dead:
        connection.connect(str(running.path))

    until(lambda: answers(place))

    for connection in dead:
        connection.close()


def answers(place):
    try:
        client.snapshot(only(place))
    except client.FeedError:
        return False
    return True


class Exhausted:
    """A listener whose first `accept` finds no descriptor free, and whose second finds nobody any more."""

    def __init__(self, listener):
        self._listener = listener
        self._errors = [OSError(24, "Too many open files"), BlockingIOError()]

    def accept(self):
        if self._errors:
            raise self._errors.pop(0)
        return self._listener.accept()

    def __getattr__(self, name):
        return getattr(self._listener, name)


def test_without_descriptors_it_waits_and_goes_on(serving, place, monkeypatch, caplog):
    monkeypatch.setattr(server, "_BACK_OFF_SECONDS", 0)
    _, running = serving()
    running._listener = Exhausted(running._listener)

    client.snapshot(only(place))

    assert caplog.messages == ["the live feed accepts nobody for a second: [Errno 24] Too many open files"]


FORKING = """
import os, sys, time
sys.path.insert(0, sys.argv[2])
from publishing import Publisher, until
from otel_stream.config import Settings
from otel_stream.live import client, rendezvous
from otel_stream.live.server import serve
from pathlib import Path

place = Path(sys.argv[1])
publisher = Publisher()
server = serve(publisher.processor, Settings(live="unix", live_path=str(place)))
publisher.open("req_parent")
(parent,) = rendezvous.discover(place)
watching = client.Watching(parent, __import__("queue").Queue())
until(lambda: publisher.broadcaster.receiver_count() == 1)
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    publisher.open("req_child")
    until(lambda: (place / f"{os.getpid()}.sock").exists())
    os.read(reading, 1)
    server.close()
    os._exit(0)


def told(key):
    target = {target.key: target for target in rendezvous.discover(place)}[key]
    return [state.request_id for state in client.snapshot(target).streams]


until(lambda: len(rendezvous.discover(place)) == 2)
print(told(parent.key), told(str(child)))
os.write(writing, b"x")
print(os.waitpid(child, 0)[1], [target.key == parent.key for target in rendezvous.discover(place)])
watching.stop()
until(lambda: publisher.broadcaster.receiver_count() == 1)
print(told(parent.key))
server.close()
print(list(place.iterdir()))
"""


def test_a_forked_worker_is_watched_from_its_first_stream_on_and_its_parent_still_is(place):
    """gunicorn starts with the parent and forks its workers."""
    command = [sys.executable, "-W", "error", "-c", FORKING, str(place), str(Path(__file__).parents[1])]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout.splitlines(), done.stderr) == (
        ["['req_parent'] ['req_child']", "0 [True]", "['req_parent']", "[]"],
        "",
    )


def test_a_forked_worker_that_cannot_serve_says_so(serving, place, caplog, monkeypatch):
    _, running = serving()
    running.close()
    place.chmod(0o755)
    running._pid = 0  # as in a forked child

    running._begin_anew()

    assert "the live feed of process" in caplog.text
    assert "is open to other users" in caplog.text
