from __future__ import annotations

import corpus
import pytest

from otel_stream.demo import recordings
from otel_stream.testing import replay


@pytest.mark.parametrize("id", recordings.load())
def test_what_is_shipped_is_what_was_recorded(id):
    shipped, recorded = recordings.load()[id], corpus.stream(id)

    assert shipped.body.encode() == recorded.body
    assert (shipped.api, shipped.request) == (recorded.api, recorded.request["json"])


@pytest.mark.parametrize("recording", recordings.load().values(), ids=lambda r: r.id)
def test_frames_are_whole_events_and_leave_nothing_out(recording):
    frames = recording.frames

    assert b"".join(frames) == recording.body.encode()
    assert all(frame.endswith(b"\n\n") for frame in frames)


@pytest.mark.parametrize("recording", recordings.load().values(), ids=lambda r: r.id)
def test_usage_is_what_the_stream_reports(recording):
    url = corpus.stream(recording.id).request["url"]

    told = replay(url=url, request_json=recording.request, chunks=recording.frames)

    assert told.outcome == "completed"
    reported = None if told.usage is None else (told.usage.input_tokens, told.usage.output_tokens)
    assert reported == (
        None if recording.usage is None else (recording.usage.input_tokens, recording.usage.output_tokens)
    )


def test_every_recording_says_where_it_is_from():
    licences = {path.name.partition(".")[0] for path in (recordings.FOLDER / "licences").iterdir()}

    for path in recordings.FOLDER.glob("*.json"):
        source = corpus._load(f"streams/{path.name}")["source_repo"]
        assert f'"source_repo": "{source}"' in path.read_text("utf-8")
        assert source.replace("/", "_") in licences
