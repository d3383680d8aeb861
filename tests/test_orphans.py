"""Streams of no call, found again when their answers go out."""

from __future__ import annotations

import pytest
from recording import Recording

from otel_stream.call import CallContext
from otel_stream.orphans import MAX_ENDED, Orphans


@pytest.fixture
def orphans():
    return Orphans()


@pytest.fixture
def orphan(orphans):
    """Begin streams that nobody owns; each has the given id."""

    def begin(response_id):
        stream = Recording(sinks=[orphans]).stream
        stream.head(response_id)
        return stream

    return begin


def test_an_open_stream_is_claimed_once_and_the_call_hears_of_its_end(orphans, orphan):
    stream, call = orphan("c-1"), CallContext({})
    claimed = [orphans.claim("c-2", call), orphans.claim("c-1", call), orphans.claim("c-1", CallContext({}))]
    before = (call.is_covered, call.outcome())
    stream.done()
    stream.end("eof")

    assert (claimed, before) == ([False, True, False], (True, "completed"))
    assert (call.upstream_opened, call.upstream_succeeded, call.last_outcome) == (1, 1, "completed")


def test_one_that_has_ended_is_claimed_once_with_its_outcome(orphans, orphan):
    """What a cache answers with later has the same id, and is an answer of its own."""
    call = CallContext({})
    stream = orphan("c-1")
    stream.delta("Hi")
    stream.end("failed", OSError("no luck"))
    claimed = [orphans.claim("c-1", call), orphans.claim("c-1", CallContext({}))]

    assert (claimed, call.outcome(), call.is_covered) == ([True, False], "error", True)


def test_a_caller_who_hangs_up_is_noted_on_the_claimed_stream(orphans, orphan):
    stream, call = orphan("c-1"), CallContext({})
    orphans.claim("c-1", call)
    call.hang_up()

    assert stream.hung_up


def test_only_the_last_ones_are_remembered(orphans, orphan):
    for number in range(MAX_ENDED + 1):
        orphan(f"c-{number}").end("eof")

    assert [orphans.claim(f"c-{number}", CallContext({})) for number in (0, 1)] == [False, True]


def test_one_without_an_id_is_forgotten(orphans, orphan):
    orphan(None).end("eof")

    assert not orphans.claim("", CallContext({}))
