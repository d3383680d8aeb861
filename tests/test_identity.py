"""Who asks, which span, which window: values that are compared and never change."""

from __future__ import annotations

import os
import random

import pytest

from otel_stream.identity import NOBODY, Trace, Who, Window, new_id


def test_nobody_has_no_name_and_nothing_to_hide():
    assert Who() == NOBODY
    assert (NOBODY.agent_type, NOBODY.private) == (None, False)


def test_a_stream_without_a_span_has_an_empty_trace():
    assert Trace() == (None, None, False)


def test_who_asks_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        NOBODY.tenant = "acme"


def test_a_window_tells_its_times_before_its_counts():
    assert Window(1, 2, 3, 4, None).__struct_fields__ == (
        "start_unix_nano", "end_unix_nano", "chunks", "characters", "text",
    )  # fmt: skip


def test_a_new_name_is_nobody_elses():
    names = {new_id("req") for _ in range(1000)}

    assert len(names) == 1000
    assert {len(name) for name in names} == {len("req_") + 16}


def test_a_host_that_seeds_its_own_dice_does_not_repeat_our_names():
    random.seed(7)
    before = new_id("req")
    random.seed(7)

    assert new_id("req") != before


def test_a_forked_worker_makes_other_names_than_its_parent():
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.write(theirs, new_id("req").encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(ours, 100).decode() != new_id("req")
    os.close(ours)
    os.close(theirs)
