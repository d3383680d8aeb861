"""Who asks, which span, which window: values that are compared and never change."""

from __future__ import annotations

import pytest

from otel_stream.identity import NOBODY, Trace, Who, Window


def test_nobody_has_no_name_and_nothing_to_hide():
    assert Who() == NOBODY
    assert (NOBODY.agent_type, NOBODY.private) == (None, False)


def test_a_stream_without_a_span_has_an_empty_trace():
    assert Trace() == (None, None, False)


def test_who_asks_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        NOBODY.tenant = "acme"


def test_a_window_tells_its_times_before_its_counts():
    assert Window(1, 2, 3, 4, None)._fields == (
        "start_unix_nano", "end_unix_nano", "chunks", "characters", "text",
    )  # fmt: skip
