from __future__ import annotations

import io
import json
import re

import msgspec
import pytest
from telling import Told

from otel_stream.live.client import Delivery
from otel_stream.live.frames import Lagged, Snapshot
from otel_stream.live.rendezvous import Target
from otel_stream.tui import tail
from otel_stream.tui.filter import compile_filter
from otel_stream.tui.record import read_line
from otel_stream.tui.tail import Tail


class Enough(io.StringIO):
    """A pipe whose reader leaves once it has read `wanted`; `then` happens when `seen` is read."""

    def __init__(self, wanted, then=()):
        super().__init__()
        self.wanted = wanted
        self.then = dict(then)

    def flush(self):
        for seen in [seen for seen in self.then if re.search(seen, self.getvalue())]:
            self.then.pop(seen)()
        if re.search(self.wanted, self.getvalue()):
            raise BrokenPipeError


@pytest.fixture
def printing(monkeypatch):
    """Let the command print into a pipe of ours, and take the times off the lines."""

    def use(out):
        monkeypatch.setattr("sys.stdout", out)
        return lambda: [line[13:] for line in out.getvalue().splitlines()]

    return use


def test_what_happens_is_printed_line_by_line(serving, options, printing):
    gateway = serving()
    streams = [gateway.open("req_00000001", agent_type="codex")]

    def then():
        gateway.say(streams[0], "Hello\x1b[2J world")
        streams.append(gateway.open("req_00000002", model="claude-sonnet-4"))
        gateway.fail(streams[1], "overloaded")
        gateway.complete(streams[0])

    printed = printing(Enough("00000001.*completed", {"in flight|waiting": then}))
    with pytest.raises(BrokenPipeError):
        tail.run(options(tail, "--text"))

    assert [re.sub(r"\d+\.\d+s", "0s", line) for line in printed()] == [
        f"• gateway {gateway.key} live",
        "○ 00000001 gpt-4o codex waiting: 0s, 0 tokens",
        "│ 00000001 Hello·[2J world",
        "▶ 00000002 claude-sonnet-4 started",
        "✗ 00000002 claude-sonnet-4 error: 0s, server_error: overloaded",
        "✓ 00000001 gpt-4o codex completed: 0s, first token 0s, 100 → 7 tokens",
    ]


def test_gateways_that_go_and_come_back_are_noticed(serving, options, printing, monkeypatch):
    monkeypatch.setattr(tail, "LOOK_SECONDS", 0)
    gateway = serving()
    gateway.open("req_00000001")

    printed = printing(Enough("is gone(.*\n)*.*lost", {"waiting": gateway.close}))
    with pytest.raises(BrokenPipeError):
        tail.run(options(tail))

    assert printed()[-2:] == [f"• gateway {gateway.key} is gone", "? 00000001 gpt-4o lost"]


def test_as_json_it_prints_the_frames(serving, options, printing):
    gateway = serving()
    out = Enough("completed", {"snapshot": lambda: gateway.complete(gateway.open("req_1"))})
    printing(out)

    with pytest.raises(BrokenPipeError):
        tail.run(options(tail, "--json"))
    recorded = [read_line(line.encode()) for line in out.getvalue().splitlines()]

    assert [type(one.frame).__name__ for one in recorded] == ["Snapshot", "Started", "Completed"]
    assert {one.gateway for one in recorded} == {gateway.key}


def test_once_prints_what_is_in_flight_and_ends(serving, options, capsys):
    gateway = serving()
    gateway.open("req_00000001")
    gateway.open("req_00000002", model="claude-sonnet-4")

    code = tail.run(options(tail, "--once", "model:claude"))

    assert code == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["00000002"]


def test_once_as_json_is_a_snapshot_of_each_gateway(serving, options, capsys):
    serving().open("req_1")
    serving()

    tail.run(options(tail, "--once", "--json"))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [one["type"] for one in found] == ["snapshot", "snapshot"]
    assert sum(len(one.get("streams", ())) for one in found) == 1


def test_nobody_to_be_watched_is_explained(options, place, capsys):
    assert tail.run(options(tail, "--once")) == 1
    assert (
        f"no gateway is to be watched in {place}; start one with OTEL_STREAM_LIVE=unix"
        in capsys.readouterr().err
    )


def test_a_wrong_filter_is_explained(options, capsys):
    assert tail.run(options(tail, "modle:x")) == 2
    assert "no field 'modle'" in capsys.readouterr().err


def test_a_folder_that_is_not_safe_is_not_used(options, place, capsys):
    place.mkdir()
    place.chmod(0o777)

    assert tail.run(options(tail)) == 1
    assert "is open to other users" in capsys.readouterr().err


class Printed:
    """A tail that is told by the test."""

    def __init__(self, filter="", **options):
        self.told = Told()
        self.out = io.StringIO()
        self.tail = Tail(None, self.out, compile_filter(filter), now=lambda: self.told.now, **options)

    def take(self, *frames):
        self.tail.take(Delivery(Target("4711"), list(frames)))
        lines = self.out.getvalue().splitlines()
        self.out.seek(self.out.truncate(0))
        return [line[13:] for line in lines]


def frame(apply):
    """The frame a `Told` would apply."""
    told = Told()
    frames = []
    told.model.apply = lambda key, frame, now: frames.append(frame)
    apply(told)
    return frames[0]


def test_what_was_missed_is_told():
    assert Printed().take(Lagged(1234), Lagged(None)) == [
        "• missed 1,234 events of gateway 4711",
        "• missed an unknown number of events of gateway 4711",
    ]


def test_ends_that_only_a_snapshot_tells_are_printed_once():
    printed = Printed()
    end = printed.told.finished("req_1")

    first = printed.take(frame(lambda told: told.started("req_1")))
    caught_up = printed.take(Snapshot(frame(lambda told: told.snapshot()).gateway, 1, recent=(end,)))
    again = printed.take(msgspec.structs.replace(end.ended))

    assert (first, caught_up, again) == (
        ["▶ 1 gpt-4o started"],
        ["✓ 1 gpt-4o completed: 0.00s, 1 → 2 tokens, $0.2500"],
        [],
    )


def test_streams_that_ended_before_we_came_are_not_printed():
    printed = Printed()
    end = printed.told.finished("req_1")

    assert printed.take(Snapshot(frame(lambda told: told.snapshot()).gateway, 1, recent=(end,))) == []


def test_only_wanted_streams_are_printed():
    printed = Printed("model:claude", text=True)

    lines = printed.take(
        frame(lambda told: told.started("req_1")),
        frame(lambda told: told.said("x", "req_1")),
        frame(lambda told: told.completed("req_1")),
    )
    as_json = Printed("model:claude", as_json=True)

    assert lines == []
    assert as_json.take(frame(lambda told: told.started("req_1"))) == []
    assert len(as_json.take(frame(lambda told: told.started("req_2", "claude")))) == 1


def test_a_beginning_told_twice_is_printed_once():
    printed = Printed()
    start = frame(lambda told: told.started("req_1"))

    assert len(printed.take(start, start)) == 1


def test_text_is_printed_only_if_wanted():
    assert Printed().take(frame(lambda told: told.said("x"))) == []
