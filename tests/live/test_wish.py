from __future__ import annotations

import pytest

from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.live import wish as wish_module
from otel_stream.live.frames import Finished
from otel_stream.live.wish import FILTERS, Wish, WishError
from otel_stream.processor.state import StreamState

GPT = Started("req_a", "GPT-4o", provider="openai", agent_type="codex", tenant="acme")
CLAUDE = Started("req_b", "claude-sonnet-4", provider="anthropic")
BEGUN = {"req_a": GPT, "req_b": CLAUDE}


def wants(query, *events):
    wish = Wish(query)
    return [wish.wants(event, BEGUN.get) for event in events]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [True, True]),
        ("model=gpt", [True, False]),
        ("model=gpt&model=claude", [True, True]),
        ("model=gpt&tenant=acme", [True, False]),
        ("tenant=acme&provider=anthropic", [False, False]),
        ("id=req_b", [False, True]),
        ("agent=", [True, True]),
    ],
)
def test_streams_are_chosen_by_what_their_fields_contain(query, expected):
    assert wants(query, GPT, CLAUDE) == expected
    assert wants(query, TextDelta("req_a", "x"), TextDelta("req_b", "x")) == expected


def test_events_are_chosen_by_kind():
    events = [GPT, TextDelta("req_a", "x"), Completed("req_a", 1, 2, None), Error("req_a", "no")]

    assert wants("events=started,completed", *events) == [True, False, True, False]
    assert wants("events=error&events=text_delta", *events) == [False, True, False, True]


def test_a_stream_nobody_knows_passes_no_filter():
    assert wants("model=gpt", TextDelta("req_z", "x")) == [False]


def test_the_end_is_wanted_although_its_beginning_is_forgotten_by_then():
    wish = Wish("model=gpt")

    from_start = wish.wants(GPT, BEGUN.get), wish.wants(Completed("req_a", 1, 2, None), {}.get)
    wish.wants_state(StreamState("req_a", "gpt"))
    wish.wants_state(StreamState("req_b", "claude"))
    from_state = [wish.wants(Completed(name, 1, 2, None), {}.get) for name in ("req_a", "req_b")]

    assert (from_start, from_state) == ((True, True), [True, False])
    assert wish._wanted == {}


def test_what_was_decided_is_forgotten_on_demand_and_bounded(monkeypatch):
    monkeypatch.setattr(wish_module, "MAX_REMEMBERED", 2)
    wish = Wish("model=gpt")
    for name in "abc":
        wish.wants_state(StreamState(name, "gpt"))
    bounded = dict(wish._wanted)

    wish.forget()

    assert (bounded, wish._wanted) == ({"c": True}, {})


def test_without_filters_nothing_is_remembered():
    wish = Wish()

    assert wish.everything
    assert wish.wants_state(StreamState("a", "gpt"))
    assert wish._wanted == {}


def test_streams_that_ended_are_chosen_by_how_they_began():
    ended = Completed("req_a", 1, 2, None)

    assert Wish("model=gpt").wants_finished(Finished(ended, GPT))
    assert not Wish("model=gpt").wants_finished(Finished(ended))
    assert Wish().wants_finished(Finished(ended))


def test_options():
    assert (Wish().text, Wish("text=false").text, Wish("text=1").text) == (None, False, True)
    assert (Wish().refresh_seconds, Wish("refresh=2").refresh_seconds) == (None, 2.0)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("modle=gpt", r"no parameter 'modle'; there are id, model, .*, events, text, refresh"),
        ("token=secret", r"no parameter 'token'"),
        ("events=started,ended", r"events are started, text_delta, completed, error; got 'ended'"),
        ("text=perhaps", r"text must be true or false; got 'perhaps'"),
        ("refresh=0", r"refresh must be seconds from 0\.5 to 3600; got '0'"),
        ("refresh=nan", r"refresh must be"),
        ("refresh=soon", r"refresh must be"),
        ("model=" + "x" * 5000, r"the query has 5006 characters; at most 4096 are read"),
    ],
)
def test_what_is_not_understood_is_explained(query, message):
    with pytest.raises(WishError, match=message):
        Wish(query)


def test_every_filter_looks_at_a_field_that_beginnings_and_states_have():
    for field in FILTERS.values():
        assert field in Started.__struct_fields__
        assert field in StreamState.__struct_fields__
