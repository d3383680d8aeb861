from __future__ import annotations

import json

import msgspec
import pytest
from telling import GATEWAY, START

from otel_stream.events import Completed, Error, Started, TextDelta, decode
from otel_stream.live.frames import Lagged, Snapshot
from otel_stream.tui.meters import NS
from otel_stream.tui.record import Recorded, Replay, line_of, read_line

STORY = [
    Snapshot(GATEWAY, START),
    Started("req_1", "gpt-4o", time_unix_nano=START + NS),
    TextDelta("req_1", "Hello\n", time_unix_nano=START + 2 * NS),
    Lagged(3, START + 2 * NS),
    Completed("req_1", 1, 2, None, time_unix_nano=START + 3 * NS),
]
LINES = [line_of("4711", frame) for frame in STORY]


@pytest.mark.parametrize("frame", STORY)
def test_a_frame_survives_being_written(frame):
    assert read_line(line_of("4711", frame)) == Recorded("4711", frame, frame.time_unix_nano)


def test_a_line_is_a_public_event_with_the_gateway_added():
    (line,) = line_of("4711", Error("req_1", "no")).splitlines()

    assert json.loads(line) == {"type": "error", "request_id": "req_1", "message": "no", "from": "4711"}
    assert decode(line) == Error("req_1", "no")


def test_lines_of_the_setting_tail_name_no_gateway():
    assert read_line(b'{"type":"text_delta","request_id":"req_1","text":"x"}') == Recorded(
        "", TextDelta("req_1", "x"), 0
    )


def test_what_is_no_frame_is_refused():
    with pytest.raises(msgspec.DecodeError):
        read_line(b"{}")


def test_a_recording_is_played_by_its_own_clock():
    replay = Replay(LINES)

    first = [type(recorded.frame) for recorded in replay.due(replay.began)]
    later = [type(recorded.frame) for recorded in replay.due(START + 2 * NS)]
    nothing = replay.due(START + 2 * NS)
    before_the_end = replay.ended
    last = [type(recorded.frame) for recorded in replay.due(START + 9 * NS)]

    assert replay.began == START
    assert (first, later, nothing, last) == ([Snapshot], [Started, TextDelta, Lagged], [], [Completed])
    assert (before_the_end, replay.ended) == (False, True)


def test_time_never_runs_back_and_bad_lines_are_counted():
    late = line_of("1", Started("b", "m", time_unix_nano=START + 5 * NS))
    early = line_of("1", Started("a", "m", time_unix_nano=START))
    untimed = line_of("1", Started("c", "m"))

    replay = Replay([b"\n", late, b"nonsense\n", early, untimed])

    assert [(recorded.frame.request_id, recorded.at) for recorded in replay.due(START + 5 * NS)] == [
        ("b", START + 5 * NS),
        ("a", START + 5 * NS),
        ("c", START + 5 * NS),
    ]
    assert replay.skipped == 1


def test_an_empty_recording_has_ended():
    replay = Replay([])

    assert (replay.ended, replay.began, replay.due(START)) == (True, 0, [])
