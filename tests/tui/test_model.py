from __future__ import annotations

import pytest
from telling import GATEWAY, Told

from otel_stream.live.frames import Finished
from otel_stream.tui import model as model_module
from otel_stream.tui.meters import NS


def test_a_stream_goes_from_waiting_to_its_end():
    told = Told().started()
    states = [told.row("req_1").state(told.now)]
    for channel in ("reasoning", "tool_call", "output"):
        told.wait(1).said("abcd", channel=channel)
        states.append(told.row("req_1").state(told.now))
    told.wait(11)
    states.append(told.row("req_1").state(told.now))
    told.completed()
    states.append(told.row("req_1").state(told.now))

    assert states == ["waiting", "thinking", "tool", "streaming", "stalled", "completed"]


def test_tokens_are_an_estimate_until_the_provider_reports_them():
    told = Told().started().said("a" * 39)
    row = told.row("req_1")

    before = (row.output_tokens, row.tokens_are_estimated)
    told.completed(output_tokens=12)

    assert before == (10, True)
    assert (row.output_tokens, row.tokens_are_estimated) == (12, False)


def test_tokens_estimated_at_the_end_stay_marked():
    told = Told().started().said("abcd").failed(output_tokens=1, usage_source="estimated", cost_usd=0.1)
    row = told.row("req_1")

    assert (row.output_tokens, row.tokens_are_estimated, row.cost_is_estimated) == (1, True, True)


def test_a_late_joiner_is_caught_up_by_the_snapshot():
    told = Told()
    state = told.state(
        sequence=5, chunks=5, characters=400, time_to_first_token_s=0.5, idle_s=2.0, cost_usd=0.01
    )

    told.snapshot(state)
    row = told.row("req_1")

    assert (row.chunks, row.characters, row.first_token_s) == (5, 400, 0.5)
    assert (row.cost_usd, row.cost_is_estimated) == (0.01, True)
    assert row.silent_s(told.now) == pytest.approx(2.0)
    assert told.model.characters.total(told.now) == 0


def test_what_a_snapshot_includes_is_not_counted_again_but_read():
    told = Told().snapshot(Told().state(sequence=2, chunks=2, characters=8))

    told.said("abcd", sequence=2).said("efgh", sequence=3)

    assert told.row("req_1").characters == 12
    assert told.row("req_1").said.text() == "abcdefgh"


def test_a_gap_is_bridged_by_the_next_snapshot():
    told = Told().started().said("abcd").lagged(7)
    state = told.state(sequence=8, chunks=8, characters=36)

    told.snapshot(state)

    assert told.model.missed == 7
    assert told.row("req_1").characters == 36
    assert told.model.characters.total(told.now) == 36


def test_a_stream_that_is_in_no_snapshot_any_more_is_lost():
    told = Told().started("req_1").started("req_2")

    told.snapshot(told.state("req_2"))

    assert told.row("req_1").state(told.now) == "lost"
    assert told.row("req_2").state(told.now) == "waiting"


def test_the_snapshot_tells_how_streams_ended_that_were_missed():
    told = Told().started("req_1").lagged(3)

    told.snapshot(recent=[told.finished("req_1")])

    assert told.row("req_1").state(told.now) == "completed"
    assert (told.model.ends, told.model.cost_usd) == (1, 0.25)


def test_an_end_told_twice_counts_once():
    told = Told().started("req_1").completed("req_1", cost_usd=0.25)

    told.snapshot(recent=[told.finished("req_1")])

    assert (told.model.ends, told.model.cost_usd) == (1, 0.25)


def test_ends_of_long_ago_are_not_shown_unless_they_are_bad():
    told = Told()
    good, bad = told.finished("req_1"), told.finished("req_2")
    failed = Finished(Told().failed("req_2").row("req_2").ended, bad.started)

    told.wait(60).snapshot(recent=[good, failed])

    assert list(told.model.rows) == ["req_2"]


def test_an_end_without_a_beginning_is_shown():
    told = Told()

    told.snapshot(recent=[told.finished("req_1", started=False)])

    assert told.row("req_1").model == "unknown"


def test_a_lost_stream_comes_back_when_it_is_heard_of():
    told = Told().started("req_1").started("req_2")
    told.snapshot()

    told.said("abcd", "req_1").snapshot(told.state("req_1"), told.state("req_2"))

    assert [told.row(name).is_open for name in ("req_1", "req_2")] == [True, True]


def test_a_lost_stream_that_ends_after_all_has_its_outcome():
    told = Told().started().snapshot()

    told.completed()

    assert told.row("req_1").state(told.now) == "completed"


def test_a_resumed_feed_loses_nothing():
    told = Told().started()

    told.snapshot(resumed=True)

    assert told.row("req_1").is_open
    assert told.model.feeds["4711"].info == GATEWAY


def test_the_streams_of_a_gateway_that_is_gone_are_lost_and_only_those():
    told = Told().started("req_1").started("req_2", gateway="4712").completed("req_1").started("req_3")

    told.model.gone("4711", told.now)

    assert [row.state(told.now) for row in told.model.rows.values()] == ["completed", "waiting", "lost"]
    assert told.model.feeds["4711"].link == "gone"


def test_a_forgotten_gateway_is_not_listed():
    told = Told().snapshot()

    told.model.forget("4711")
    told.model.forget("4711")

    assert told.model.feeds == {}


def test_why_a_gateway_is_not_live_is_known_until_it_is():
    told = Told()
    told.model.link("4711", "refused", where="/run/4711.sock", note="too many clients")
    before = (told.model.feed("4711").note, told.model.feed("4711").where)

    told.snapshot()

    assert before == ("too many clients", "/run/4711.sock")
    assert (told.model.feed("4711").link, told.model.feed("4711").note) == ("live", "")


def test_finished_rows_go_after_a_while_bad_ends_stay():
    told = Told().started("good").completed("good").started("bad").failed("bad").started("open")

    told.wait(31).model.expire(told.now)

    assert list(told.model.rows) == ["bad", "open"]


def test_bad_ends_go_when_they_are_dismissed_and_do_not_come_back():
    told = Told().started("bad").failed("bad").started("open")
    finished = Finished(told.row("bad").ended, told.row("bad").started)

    told.model.dismiss(["bad", "open", "never seen"])
    told.snapshot(told.state("open"), recent=[finished])

    assert list(told.model.rows) == ["open"]


def test_ended_rows_are_bounded_and_so_is_the_memory_of_dropped_ones(monkeypatch):
    monkeypatch.setattr(model_module, "MAX_ENDED", 2)
    monkeypatch.setattr(model_module, "MAX_DROPPED", 1)
    told = Told()
    for number in range(5):
        told.wait(1).started(f"req_{number}").failed(f"req_{number}")

    told.model.expire(told.now)

    assert list(told.model.rows) == ["req_3", "req_4"]
    assert list(told.model._dropped) == ["req_2"]


def test_sums_are_over_the_streams_that_ended():
    told = Told().started("a").completed("a", 10, 20, 0.5).started("b").failed("b", output_tokens=3)
    told.started("c").completed("c", None, None, None)

    model = told.model

    assert (model.ends, model.input_tokens, model.output_tokens, model.cost_usd) == (3, 10, 23, 0.5)
    assert model.bad.total(told.now) == 1
    assert model.spent.total(told.now) == 0.5
    assert model.applied == 6


def test_a_caller_who_leaves_is_no_error():
    told = Told().started().failed(outcome="cancelled")

    assert told.model.bad.total(told.now) == 0


def test_the_rate_of_tokens_is_a_quarter_of_the_characters():
    told = Told().started()
    for _ in range(40):
        told.wait(0.1).said("a" * 8)

    assert told.model.tokens_per_s(told.now) == pytest.approx(20, rel=0.05)
    assert told.row("req_1").tokens_per_s(told.now) == pytest.approx(20, rel=0.05)
    assert told.model.trend(told.now, 2) == [20, 20]


def test_first_token_percentiles_count_each_stream_once():
    told = Told()
    for seconds in (1, 2, 3):
        name = f"req_{seconds}"
        told.started(name).wait(seconds).said("a", name).said("b", name).completed(
            name, time_to_first_token_s=float(seconds)
        )
    told.started("whole").completed("whole", time_to_first_token_s=9.0)

    assert told.model.first_token_s(0.5, told.now) == 3
    assert told.model.first_token_s(0.95, told.now) == 9.0
    assert told.model.first_token_s(0.5, told.now + 301 * NS) is None


def test_events_without_times_happen_now():
    told = Told()

    told.said("abcd", time_unix_nano=None, sequence=None, length=None).wait(2)

    assert told.row("req_1").silent_s(told.now) == 2
    assert told.row("req_1").characters == 4


def test_what_was_missed_may_be_unknown():
    told = Told().lagged(None)

    assert (told.model.missed, told.model.missed_unknown) == (0, True)


def test_gateways_stall_by_their_own_setting():
    told = Told().started().wait(1).said("a").wait(5)
    row = told.row("req_1")
    row.stall_s = 4

    assert row.state(told.now) == "stalled"
