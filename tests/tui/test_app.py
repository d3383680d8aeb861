"""What the keys of the screen do. Pictures are in `snapshots/`; UPDATE_SNAPSHOTS=1 writes them anew."""

from __future__ import annotations

import json
import stat

from screens import Scripted, busy, showing
from telling import GATEWAY, START

from otel_stream.events import Started
from otel_stream.live.frames import Snapshot
from otel_stream.tui import app as app_module
from otel_stream.tui.meters import NS
from otel_stream.tui.record import read_line

# -- which streams


async def test_filtering_while_typing():
    async with showing() as shown:
        busy(shown.told)

        await shown.press("slash", *"model:gpt cost")
        await shown.looks_like("filter_typing")
        await shown.press(*">0.01")
        await shown.press("enter")

        await shown.looks_like("filtered")
        assert shown.app.view.filter == "model:gpt cost>0.01"


async def test_a_filter_that_is_not_understood_is_explained_and_changes_nothing():
    async with showing() as shown:
        busy(shown.told)

        await shown.press("slash", *"gpt modle:x")

        assert "modle:x: no field 'modle'" in shown.picture()
        assert shown.app.view.filter == "gpt modle"


async def test_escape_takes_the_filter_away():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("slash", *"gemini")
        narrowed = [row.request_id for row in shown.app.view.rows(shown.told.now)]

        await shown.press("escape")

        assert narrowed == ["req_00000003"]
        assert shown.app.view.filter == ""
        assert shown.app.table.has_focus


async def test_a_filter_can_be_given_at_the_start():
    async with showing(filter="model:claude") as shown:
        busy(shown.told)
        await shown.settle()

        assert "filter model:claude" in shown.picture()
        assert len(shown.app.view.rows(shown.told.now)) == 1
        await shown.press("escape")
        assert shown.app.view.filter == ""


async def test_errors_only():
    async with showing() as shown:
        busy(shown.told)

        await shown.press("e")

        await shown.looks_like("errors")


async def test_grouping_and_looking_into_a_group():
    async with showing() as shown:
        busy(shown.told)

        await shown.press("g")
        await shown.looks_like("grouped")
        await shown.press("down", "down", "enter")
        await shown.looks_like("group_opened")
        await shown.press("escape")
        again = shown.app.grouping
        await shown.press("escape")

        assert (again, shown.app.grouping, shown.app.view.filter) == ("model", "", "")


async def test_grouping_goes_round():
    async with showing() as shown:
        busy(shown.told)
        seen = []
        for _ in range(6):
            await shown.press("g")
            seen.append(shown.app.grouping)

        assert seen == ["model", "provider", "agent", "tenant", "gateway", ""]


async def test_ended_streams_are_dismissed():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("end", "up")

        await shown.press("d")
        one = sorted(shown.app.model.rows)
        await shown.press("D")

        assert "req_00000006" not in one
        assert "req_00000004" in one
        assert [row.is_open for row in shown.app.model.rows.values()] == [True] * 4


# -- in which order


async def test_sorting_by_keys():
    async with showing() as shown:
        busy(shown.told)
        await shown.press(*"sss")

        await shown.looks_like("sorted")
        await shown.press("S")

        assert (shown.app.sorted_by, shown.app.descending) == ("model", True)
        assert [row.model for row in shown.app.view.rows(shown.told.now)[:2]] == ["gpt-4o", "gpt-4o"]


async def test_reversing_at_first_is_newest_first():
    async with showing() as shown:
        busy(shown.told)

        await shown.press("S")

        assert shown.app.view.rows(shown.told.now)[0].request_id == "req_00000005"


# -- one stream


async def test_following_a_stream_shows_its_text_and_escape_goes_back():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()

        await shown.press("enter")
        await shown.looks_like("following")
        await shown.press("escape")

        assert shown.app.table.has_focus
        assert "stream   state" in shown.lines()[2]


async def test_copying(monkeypatch):
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()

        await shown.press("y")
        identity = shown.app.clipboard
        await shown.press("Y")

        assert identity == "req_00000001"
        assert shown.app.clipboard.startswith("The quick brown fox")


async def test_opening_the_trace(monkeypatch):
    opened = []
    monkeypatch.setattr(app_module.webbrowser, "open", opened.append)
    async with showing(trace_url="http://localhost:16686/trace/{trace_id}?uiFind={span_id}") as shown:
        busy(shown.told)
        await shown.settle()
        await shown.press("o", "down", "o")

        assert opened == [
            "http://localhost:16686/trace/0af7651916cd43dd8448eb211c80319c?uiFind=b7ad6b7169203331"
        ]
        assert "no trace to open: start with --trace-url" in shown.picture()


# -- the picture


async def test_pause_lets_the_picture_stand_and_counts_what_goes_on():
    source = Scripted()
    async with showing(source=source) as shown:
        busy(shown.told)
        await shown.settle()

        await shown.press("p")
        source.frames = [Started(f"req_{number}", "new-model", time_unix_nano=START) for number in range(3)]
        source.frames.append(Snapshot(GATEWAY, START, resumed=True))  # is no event
        shown.told.wait(5)
        await shown.settle()
        await shown.looks_like("paused")
        await shown.press("p")

        assert shown.picture().count("new-model") == 3
        assert "PAUSED" not in shown.picture()


async def test_panels_go_and_come_back():
    async with showing() as shown:
        busy(shown.told)

        await shown.press("3")
        without_text = shown.picture()
        await shown.press("4", "1")
        await shown.looks_like("table_only")
        await shown.press("1", "3", "4")
        await shown.press("2")
        without_table = shown.picture()
        await shown.press("2")

        assert "The quick" not in without_text
        assert "0af7651916cd43dd8448eb211c80319c" in without_text
        assert "stream   state" not in without_table
        await shown.looks_like("overview")


async def test_all_commands_are_behind_the_colon():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("colon")
        await shown.press(*"errors")
        await shown.pilot.pause(0.5)
        await shown.press("enter")
        await shown.settle()

        assert shown.app.view.errors_only


# -- files


async def test_recording_what_happens(tmp_path):
    source = Scripted()
    async with showing(source=source, folder=tmp_path) as shown:
        await shown.press("r")
        source.frames = [Snapshot(GATEWAY, START), Started("req_1", "gpt-4o", time_unix_nano=START + NS)]
        await shown.settle()
        assert "● recording 2" in shown.picture()
        await shown.press("r")

    (file,) = tmp_path.iterdir()
    recorded = [read_line(line) for line in file.read_bytes().splitlines()]
    assert [type(one.frame).__name__ for one in recorded] == ["Snapshot", "Started"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert source.closed


async def test_a_recording_that_is_not_ended_is_whole_all_the_same(tmp_path):
    source = Scripted()
    async with showing(source=source, folder=tmp_path) as shown:
        await shown.press("r")
        source.frames = [Started("req_1", "gpt-4o")]
        await shown.settle()

    (file,) = tmp_path.iterdir()
    assert read_line(file.read_bytes()).frame == Started("req_1", "gpt-4o")


async def test_exporting_a_stream(tmp_path):
    async with showing(folder=tmp_path) as shown:
        busy(shown.told)
        await shown.settle()

        await shown.press("x", "X")

    events, spans = sorted(tmp_path.iterdir(), key=lambda path: path.name, reverse=False)
    told = [json.loads(line)["type"] for line in events.read_bytes().splitlines()]
    (resource,) = json.loads(spans.read_bytes())["resourceSpans"]
    assert told == ["started", "text_delta"]
    assert resource["resource"]["attributes"][0]["value"] == {"stringValue": "demo-gateway"}


async def test_exporting_a_group_is_all_that_is_shown(tmp_path):
    async with showing(folder=tmp_path) as shown:
        busy(shown.told)
        await shown.press("g", "x")

    (file,) = tmp_path.iterdir()
    assert sum(json.loads(line)["type"] == "started" for line in file.read_bytes().splitlines()) == 6


async def test_files_that_cannot_be_written_are_explained(tmp_path):
    async with showing(folder=tmp_path / "none") as shown:
        busy(shown.told)
        await shown.settle()

        await shown.press("x")
        export = shown.picture()
        await shown.press("r")

        assert "cannot export: [Errno 2]" in export
        assert "cannot record: [Errno 2]" in shown.picture()


async def test_what_is_typed_at_once_after_the_key_is_not_lost():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()
        shown.app.action_filter()

        assert shown.app.focused is shown.app.filter_line


async def test_ctrl_c_ends_it_whatever_has_the_focus():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("slash", *"gpt")
        await shown.pilot.press("ctrl+c")
        await shown.pilot.pause()

    assert shown.app.return_code == 0
    assert shown.app.source.closed
