"""What the screen shows; each picture is in `snapshots/`. UPDATE_SNAPSHOTS=1 writes them anew."""

from __future__ import annotations

import os
import signal

import pytest
from screens import busy, showing
from telling import GATEWAY, START

from otel_stream.events import Started
from otel_stream.live.frames import Snapshot
from otel_stream.tui.limits import Limits
from otel_stream.tui.meters import NS
from otel_stream.tui.record import line_of
from otel_stream.tui.sources import ReplaySource


async def test_streams_totals_text_and_details():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()

        await shown.looks_like("overview")


async def test_without_gateways_it_says_what_to_do():
    async with showing(size=(80, 12)) as shown:
        await shown.settle()

        await shown.looks_like("nobody")


async def test_a_gateway_without_streams():
    async with showing(size=(80, 12)) as shown:
        shown.told.snapshot()
        await shown.settle()

        assert "no streams in flight" in shown.picture()


@pytest.mark.parametrize(("size", "name"), [((90, 24), "narrow"), ((60, 16), "short")])
async def test_small_windows_show_what_matters(size, name):
    async with showing(size=size) as shown:
        busy(shown.told)
        await shown.settle()

        await shown.looks_like(name)


async def test_a_window_may_change_its_size():
    async with showing(size=(60, 16)) as shown:
        busy(shown.told)
        await shown.settle()

        await shown.pilot.resize_terminal(140, 34)
        await shown.settle()

        await shown.looks_like("overview")


@pytest.mark.parametrize(
    ("tell", "hint"),
    [
        (lambda told: told.started("req_1"), "nothing was said yet"),
        (
            lambda told: told.snapshot(told.state("req_1", sequence=9, chunks=9, characters=90)),
            "it has said nothing since you watch",
        ),
    ],
)
async def test_why_there_is_no_text(tell, hint):
    async with showing() as shown:
        tell(shown.told)
        await shown.settle()

        assert hint in shown.picture()


async def test_what_was_missed_is_always_told():
    async with showing(size=(50, 10)) as shown:
        busy(shown.told)
        await shown.settle()
        before = shown.picture()

        shown.told.lagged(1234)
        await shown.settle()

        assert "missed 0" in before
        assert "missed 1,234" in shown.picture()


async def test_gateways_that_are_gone_or_say_no_are_told():
    async with showing() as shown:
        busy(shown.told)
        shown.told.started("req_b", "gpt-4o", gateway="4712")
        shown.told.snapshot(shown.told.state("req_b"), gateway="4712")
        await shown.settle()
        both = shown.lines()

        shown.app.model.gone("4711", shown.told.now)
        shown.app.model.link("4713", "refused", note="8 are watching already")
        await shown.settle()

        assert both[1].startswith(" demo-gateway (2)")
        assert "gateway" in both[2]
        await shown.looks_like("gateways")


async def test_crossed_limits_are_marked_and_told_to_the_alarm():
    told_of = []

    class Ringing:
        failure = ""

        def __call__(self, crossings):
            told_of.extend((crossing.row.request_id, crossing.limit) for crossing in crossings)

    limits = Limits(first_token_s=0.1, stall_s=5, cost_usd=0.001)
    async with showing(limits=limits, alarm=Ringing()) as shown:
        busy(shown.told)
        await shown.settle()
        await shown.settle()
        await shown.looks_like("limits")

        shown.app.alarm.failure = "notify-send: No such file"
        await shown.settle()
        complained = shown.picture()

    assert ("req_00000003", "stall_s") in told_of
    assert len(told_of) == len(set(told_of))
    assert "alert: notify-send: No such file" in complained


def recording():
    frames = [
        Snapshot(GATEWAY, START),
        Started("req_1", "gpt-4o", time_unix_nano=START + NS),
        Started("req_2", "gpt-4o", time_unix_nano=START + 10 * NS),
    ]
    return [line_of("4711", frame) for frame in frames]


async def test_a_recording_is_shown_by_its_own_time():
    seconds = [0.0]
    source = ReplaySource(recording(), speed=2, clock=lambda: seconds[0])
    async with showing(source=source) as shown:
        shown.app.tick()
        seconds[0] += 1
        await shown.settle()
        one = list(shown.app.model.rows)
        await shown.press("p")
        seconds[0] += 100
        await shown.settle()
        paused = list(shown.app.model.rows)
        await shown.press("p")
        seconds[0] += 1
        await shown.press("right_square_bracket")
        seconds[0] += 2
        await shown.settle()
        picture = shown.picture()

    assert (one, paused) == (["req_1"], ["req_1"])
    assert list(shown.app.model.rows) == ["req_1", "req_2"]
    assert "replay 4x" in picture
    assert "the recording ends here" in picture


NOTES = ["metrics http://127.0.0.1:9464/metrics", "gateway http://127.0.0.1:8400", "page \x1b[2J" + "x" * 66]


@pytest.mark.parametrize(
    ("size", "lines"),
    [
        ((140, 34), [" " + "   ".join(NOTES[:2]), " page ·[2J" + "x" * 66]),
        ((80, 24), [" " + "   ".join(NOTES[:2]), " page ·[2J" + "x" * 66]),
        ((60, 24), [f" {NOTES[0]}", f" {NOTES[1]}", " page", " ·[2J" + "x" * 54, " " + "x" * 12]),
        ((60, 16), []),
    ],
)
async def test_notes_stand_below_as_many_on_a_line_as_fit(size, lines):
    async with showing(size=size, notes=NOTES) as shown:
        busy(shown.told)
        await shown.settle()

        there = [line for line in shown.lines()[4:-1] if "http" in line or "page" in line or "xx" in line]
        await shown.press("5")
        left = shown.picture()

        assert there == lines
        assert "http://127" not in left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_whoever_ends_it_the_terminal_is_given_back(number):
    async with showing() as shown:
        os.kill(os.getpid(), number)
        while shown.app.return_code is None:
            await shown.pilot.pause(0.01)

    assert shown.app.return_code == 0
    assert shown.app.source.closed
