from __future__ import annotations

import logging
import os
import socket
import threading

import pytest

from otel_stream import _guard
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.config import SettingError
from otel_stream.events import Completed, Started, TextDelta, decode
from otel_stream.live import tail_writer

STORY = [
    Started("req_1", "gpt-4o"),
    TextDelta("req_1", "Hello\nworld"),
    Completed("req_1", 1, 2, None),
]


def tell(broadcaster):
    for event in STORY:
        broadcaster.send(event)


def lines_of(data: bytes):
    return [decode(line) for line in data.splitlines()]


def test_events_are_appended_to_a_file_as_lines_of_json(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type":"text_delta","request_id":"old","text":""}\n')
    broadcaster = StreamEventBroadcaster()

    stop = tail_writer.start(broadcaster, str(path))
    tell(broadcaster)
    stop()

    assert lines_of(path.read_bytes()) == [TextDelta("old", ""), *STORY]


def test_text_stays_out_when_it_is_not_wanted(tmp_path):
    path = tmp_path / "events.jsonl"
    broadcaster = StreamEventBroadcaster()

    stop = tail_writer.start(broadcaster, str(path), text=False)
    broadcaster.send(TextDelta("req_1", "secret", length=6))
    broadcaster.send(STORY[0])
    stop()

    assert lines_of(path.read_bytes()) == [TextDelta("req_1", "", length=6), STORY[0]]


def test_events_go_to_stderr(capsys):
    broadcaster = StreamEventBroadcaster()

    stop = tail_writer.start(broadcaster, "stderr")
    tell(broadcaster)
    stop()

    assert lines_of(capsys.readouterr().err.encode()) == STORY


def test_events_go_to_whoever_listens_on_a_unix_socket(tmp_path):
    path = str(tmp_path / "events.sock")
    broadcaster = StreamEventBroadcaster()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        stop = tail_writer.start(broadcaster, path)
        tell(broadcaster)
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as file:
            lines = [file.readline() for _ in STORY]
            stop()
            assert file.read() == b""

    assert lines_of(b"".join(lines)) == STORY


def test_a_fifo_without_a_reader_does_not_hold_up_the_start(tmp_path):
    path = tmp_path / "events.fifo"
    os.mkfifo(path)
    broadcaster = StreamEventBroadcaster()

    stop = tail_writer.start(broadcaster, str(path))
    with path.open("rb", buffering=0) as file:
        tell(broadcaster)
        read = b""
        while read.count(b"\n") < len(STORY):
            read += file.read(65536)
        stop()

    assert lines_of(read) == STORY


def test_more_than_a_fifo_holds_arrives_whole(tmp_path):
    path = tmp_path / "events.fifo"
    os.mkfifo(path)
    broadcaster = StreamEventBroadcaster()
    texts = ["x" * 10_000 for _ in range(30)]

    stop = tail_writer.start(broadcaster, str(path))
    for text in texts:
        broadcaster.send(TextDelta("req_1", text))
    with path.open("rb", buffering=0) as file:
        read = b""
        while read.count(b"\n") < len(texts):
            read += file.read(65536)
    stop()

    assert [event.text for event in lines_of(read)] == texts


@pytest.mark.parametrize("name", ["no/such/folder/events.jsonl", "dead.sock"])
def test_a_target_that_cannot_be_opened_is_refused_at_the_start(tmp_path, name):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    broadcaster = StreamEventBroadcaster()

    with pytest.raises(SettingError, match=r"OTEL_STREAM_TAIL must be .*(refused|No such file)"):
        tail_writer.start(broadcaster, str(tmp_path / name))
    assert broadcaster.receiver_count() == 0


class Gone:
    """A reader that has left: writing to it fails."""

    def __init__(self):
        self.closed = threading.Event()

    def write(self, data):
        raise BrokenPipeError("the reader left")


def test_a_reader_that_leaves_ends_the_tail_and_only_the_tail(monkeypatch, caplog):
    gone = Gone()
    monkeypatch.setattr(tail_writer, "_open", lambda target: (gone.write, gone.closed.set))
    broadcaster = StreamEventBroadcaster()

    stop = tail_writer.start(broadcaster, "somewhere")
    tell(broadcaster)
    assert gone.closed.wait(10)
    stop()

    assert broadcaster.receiver_count() == 0
    assert caplog.messages == ["tail ends: the reader left"]
    assert _guard.counts().get("tail") is None


def test_what_a_slow_reader_misses_is_logged(monkeypatch, caplog):
    written = []
    monkeypatch.setattr(tail_writer, "_open", lambda target: (written.append, lambda: None))
    monkeypatch.setattr(tail_writer, "INTERVAL_SECONDS", 60)
    broadcaster = StreamEventBroadcaster(capacity=2)

    with caplog.at_level(logging.WARNING):
        stop = tail_writer.start(broadcaster, "somewhere")
        for index in range(5):
            broadcaster.send(TextDelta("req_1", str(index)))
        stop()

    assert [event.text for event in lines_of(b"".join(written))] == ["3", "4"]
    assert caplog.messages == ["tail missed 3 events: its reader is too slow"]


def test_the_end_of_the_broadcast_is_the_end_of_the_tail(tmp_path):
    path = tmp_path / "events.jsonl"
    broadcaster = StreamEventBroadcaster()

    stop = tail_writer.start(broadcaster, str(path))
    (thread,) = (t for t in threading.enumerate() if t.name == "otel-stream-tail")
    tell(broadcaster)
    broadcaster.close()
    thread.join(10)
    stop()

    assert not thread.is_alive()
    assert lines_of(path.read_bytes()) == STORY
