from __future__ import annotations

import pytest
from telling import Told


def test_who_asks_is_agent_and_tenant_as_far_as_known():
    told = Told().started("a", agent_type="codex", tenant="acme").started("b", tenant="acme")
    told.started("c", agent_type="codex").started("d")

    assert [row.who for row in told.model.rows.values()] == ["codex@acme", "?@acme", "codex", ""]


def test_age_is_the_gateways_own_figure_once_it_ended():
    told = Told().started().wait(3)
    row = told.row("req_1")

    before = row.age_s(told.now)
    told.completed(duration_s=2.5)

    assert (before, row.age_s(told.now + 10**12)) == (3, 2.5)


def test_an_ended_stream_grows_no_older_without_that_figure():
    told = Told().started().wait(3).completed().wait(9)

    assert told.row("req_1").age_s(told.now) == 3


def test_silence_counts_from_the_last_piece_while_it_is_open():
    told = Told().started()
    row = told.row("req_1")
    waiting = row.silent_s(told.now)
    told.wait(1).said("a").wait(2)
    writing = row.silent_s(told.now)
    told.completed()

    assert (waiting, writing, row.silent_s(told.now)) == (None, 2, None)


def test_gaps_are_those_between_pieces():
    told = Told().started().wait(5).said("a")
    for _ in range(9):
        told.wait(0.1).said("a")

    assert told.row("req_1").gap_s(0.95) == pytest.approx(0.1, rel=0.25)


def test_the_rate_of_a_whole_answer_is_over_the_time_it_was_written():
    told = Told().started().wait(2).said("a").wait(2)
    row = told.row("req_1")

    told.completed(output_tokens=100, duration_s=4.0, time_to_first_token_s=2.0)

    assert row.tokens_per_s(told.now) == 50


@pytest.mark.parametrize(
    "known",
    [
        {"output_tokens": 0},
        {"output_tokens": 5, "duration_s": 1.0, "time_to_first_token_s": 1.0},
        {"output_tokens": 5},
    ],
    ids=["no tokens", "written in no time", "no first token"],
)
def test_there_may_be_no_rate(known):
    told = Told().started()
    waiting = told.row("req_1").tokens_per_s(told.now)

    told.completed(**known)

    assert waiting is None
    assert told.row("req_1").tokens_per_s(told.now) is None


def test_the_last_seconds_of_an_ended_stream_are_those_before_its_end():
    told = Told().started()
    for _ in range(3):
        told.wait(1).said("abcd")
    told.completed().wait(100)

    assert told.row("req_1").rates(told.now)[-3:] == [4, 4, 4]


def test_chunks_and_characters_are_exact_in_the_end():
    told = Told().started().said("abcd").completed(chunks=7, output_characters=70)

    assert (told.row("req_1").chunks, told.row("req_1").characters) == (7, 70)


def test_a_snapshot_of_a_stream_known_only_by_a_delta_brings_its_beginning():
    told = Told().said("abcd")

    told.snapshot(told.state(model="gpt-4o", sequence=1, chunks=1, characters=4))

    assert told.row("req_1").model == "gpt-4o"


def test_what_was_said_before_we_watched_is_known_to_be_missing():
    told = Told().snapshot(Told().state(sequence=5, chunks=5, characters=40))
    row = told.row("req_1")
    before = row.said.missing

    told.said("it is", sequence=5).said(" here", sequence=6)

    assert (before, row.said.missing, row.said.text()) == (40, 35, "it is here")


def test_what_was_missed_on_the_way_is_missing_and_what_is_only_late_is_not():
    told = Told().started().said("one", sequence=1)
    told.snapshot(told.state(sequence=2, chunks=2, characters=6))
    late = told.row("req_1").said.missing

    told.said("two", sequence=2).lagged(3).snapshot(told.state(sequence=5, chunks=5, characters=20))
    told.said("six", sequence=6).snapshot(told.state(sequence=7, chunks=7, characters=30))

    assert (late, told.row("req_1").said.missing) == (0, 14)
