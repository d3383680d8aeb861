from __future__ import annotations

import msgspec
import pytest

from otel_stream.events import Completed, Error, Started, TextDelta, encode
from otel_stream.live.frames import Finished, Gateway, Lagged, Snapshot, decode_frame, encode_control
from otel_stream.processor.state import StreamState

SNAPSHOT = Snapshot(
    Gateway(1, "demo", "e1", "0.1.0", text=True),
    1_700_000_000_000_000_000,
    (StreamState("req_1", "gpt-4o", tenant="acme"),),
    (Finished(Completed("req_0", 1, 2, 0.5), Started("req_0", "gpt-4o")), Finished(Error("req_2", "no"))),
)


@pytest.mark.parametrize("frame", [SNAPSHOT, Lagged(7, 1), Lagged(None, 1)])
def test_what_only_a_feed_has_survives_the_wire(frame):
    assert decode_frame(encode_control(frame)) == frame


@pytest.mark.parametrize(
    "event", [Started("a", "m"), TextDelta("a", "x"), Completed("a", 1, 2, None), Error("a", "b")]
)
def test_events_are_frames(event):
    assert decode_frame(encode(event)) == event


def test_a_newer_gateway_may_say_more():
    frame = b'{"type":"lagged","missed":3,"why":"slow","time_unix_nano":1}'

    assert decode_frame(frame) == Lagged(3, 1)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"type":"dance"}', b'{"type":"lagged"}'])
def test_what_is_no_frame_is_refused(line):
    with pytest.raises(msgspec.DecodeError):
        decode_frame(line)
