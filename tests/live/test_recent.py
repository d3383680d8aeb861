from __future__ import annotations

from otel_stream.events import Completed, Started, TextDelta
from otel_stream.live import recent as recent_module
from otel_stream.live.frames import Finished
from otel_stream.live.recent import Recent


def start(name):
    return Started(name, "gpt-4o")


def end(name):
    return Completed(name, 1, 2, None)


def hear(recent, *events):
    for event in events:
        recent.on_event(event)


def test_streams_that_ended_are_told_with_their_beginning():
    recent = Recent()

    hear(recent, start("a"), TextDelta("a", "x"), start("b"), end("a"))

    assert recent.since(0) == ([Finished(end("a"), start("a"))], 1)
    assert recent.started("b") == start("b")
    assert recent.started("a") is None


def test_each_is_told_once_to_who_asks_from_where_it_was():
    recent = Recent()
    hear(recent, end("a"), end("b"))
    _, number = recent.since(0)

    hear(recent, end("c"))

    assert recent.since(number) == ([Finished(end("c"))], 3)
    assert recent.since(3) == ([], 3)


def test_only_the_latest_are_kept(monkeypatch):
    monkeypatch.setattr(recent_module, "MAX_OPEN", 2)
    recent = Recent(kept=2)

    hear(recent, *map(start, "abc"), *map(end, "xyz"))

    assert [finished.ended.request_id for finished in recent.since(0)[0]] == ["y", "z"]
    assert [recent.started(name) is not None for name in "abc"] == [False, True, True]


def test_a_forked_child_begins_anew():
    recent = Recent(kept=5)
    hear(recent, start("a"), end("b"))

    recent.restart()

    assert recent.since(0) == ([], 0)
    assert recent.started("a") is None
