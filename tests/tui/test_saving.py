from __future__ import annotations

import stat

import pytest
from telling import START, Told

from otel_stream.events import Started
from otel_stream.tui.record import Recorded, read_line
from otel_stream.tui.saving import Recorder, save_events, save_spans


@pytest.fixture
def rows():
    told = Told().started("req_../../etc", trace_id="a" * 32, span_id="b" * 16).started("req_2")
    return list(told.model.rows.values())


def test_files_are_their_owners_and_never_written_over(tmp_path, rows):
    first = save_events(tmp_path, rows[:1], START)
    second = save_events(tmp_path, rows[:1], START)

    assert first != second
    assert first.read_bytes() == second.read_bytes()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (first, second)] == [0o600, 0o600]


def test_names_are_made_of_harmless_characters(tmp_path, rows):
    path = save_spans(tmp_path, rows[:1], {}, START)

    assert path.parent == tmp_path
    assert path.name.startswith("otel-stream-etc-2023111")
    assert path.name.endswith(".otlp.json")


def test_several_streams_are_one_file(tmp_path, rows):
    path = save_events(tmp_path, rows, START)

    assert path.name.startswith("otel-stream-streams-")
    assert len(path.read_bytes().splitlines()) == 2


def test_a_recording_is_written_as_it_comes(tmp_path):
    recorder = Recorder(tmp_path, START)

    recorder.write([Recorded("4711", Started("a", "m"), START)])
    recorder.write([])
    recorder.write([Recorded("4711", Started("b", "m"), START)])
    recorder.close()

    lines = recorder.path.read_bytes().splitlines()
    assert [read_line(line).frame.request_id for line in lines] == ["a", "b"]
    assert recorder.written == 2


def test_a_folder_that_is_not_there_is_an_error(tmp_path, rows):
    with pytest.raises(FileNotFoundError):
        save_events(tmp_path / "none", rows, START)
