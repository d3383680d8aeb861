"""What the garbage collector found is ended on a thread of ours, from wherever it was found."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from otel_stream import _guard
from otel_stream.reaper import REAPER, Reaper


class Dropped:
    def __init__(self, raises=None):
        self.ends = []
        self._raises = raises

    def end(self, ending, error=None):
        self.ends.append((ending, threading.current_thread()))
        if self._raises is not None:
            raise self._raises


def test_a_dropped_stream_is_ended_as_abandoned_elsewhere():
    dropped, reaper = Dropped(), Reaper()
    reaper.drop(dropped)

    assert reaper.flush()
    ((ending, thread),) = dropped.ends
    assert (ending, thread is threading.current_thread()) == ("abandoned", False)


def test_one_thread_does_for_all():
    reaper, streams = Reaper(), [Dropped(), Dropped()]
    for stream in streams:
        reaper.ready()
        reaper.drop(stream)
    reaper.flush()

    assert len({stream.ends[0][1] for stream in streams}) == 1


def test_a_stream_may_be_dropped_with_another_ending():
    dropped, reaper = Dropped(), Reaper()
    reaper.drop(dropped, "cancelled")
    reaper.flush()

    assert dropped.ends[0][0] == "cancelled"


def test_what_the_collector_closes_is_ended_elsewhere_and_all_else_at_once():
    """The collector runs wherever memory is allocated, maybe under a lock that ending needs as well."""
    by_hand, collected = Dropped(), Dropped()

    def reading(stream):
        try:
            yield
        finally:
            REAPER.end(stream, "closed")

    REAPER.ready()
    one, other = reading(by_hand), [reading(collected)]
    next(one)
    next(other[0])
    one.close()
    other.append(other)
    del other
    gc.collect()
    REAPER.flush()
    ((_, here),), ((ending, elsewhere),) = by_hand.ends, collected.ends

    assert (ending, here is threading.current_thread()) == ("closed", True)
    assert elsewhere is not here


@pytest.mark.usefixtures("swallow")
def test_a_bug_in_one_end_costs_the_others_nothing():
    reaper, broken, fine = Reaper(), Dropped(RuntimeError("our bug")), Dropped()
    before = _guard.counts().get("reaper", 0)
    reaper.drop(broken)
    reaper.drop(fine)
    reaper.flush()

    assert (len(fine.ends), _guard.counts()["reaper"] - before) == (1, 1)


def test_a_flush_gives_up_after_its_time():
    stuck, reaper = threading.Event(), Reaper()

    class Stuck:
        def end(self, *_):
            stuck.wait()

    reaper.drop(Stuck())
    gave_up = not reaper.flush(0.01)
    stuck.set()

    assert gave_up
    assert reaper.flush()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_thread_of_its_own():
    assert REAPER.flush()
    pid = os.fork()
    if pid == 0:
        dropped = Dropped()
        REAPER.drop(dropped)
        os._exit(0 if REAPER.flush() and dropped.ends else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def test_a_thread_forgotten_is_no_longer_told_of_collections():
    reaper, dropped = Reaper(), Dropped()
    reaper.ready()
    reaper.forget_thread()
    reaper.forget_thread()
    reaper.drop(dropped)

    assert reaper._on_collection not in gc.callbacks
    assert (reaper.flush(), len(dropped.ends)) == (True, 1)
