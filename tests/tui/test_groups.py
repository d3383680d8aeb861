from __future__ import annotations

from telling import Told

from otel_stream.tui.filter import compile_filter
from otel_stream.tui.groups import GROUPINGS, group


def test_streams_are_summed_up_by_a_field():
    told = (
        Told().started("a", "gpt").wait(1).said("x" * 40, "a").completed("a", output_tokens=10, cost_usd=0.5)
    )
    told.started("b", "gpt").wait(3).said("x" * 400, "b").started("c", "claude").failed("c")
    told.started("d", "claude").said("x", "d").wait(11)

    claude, gpt = group(told.model.rows.values(), "model", told.now)

    assert (claude.value, claude.in_flight, claude.ended, claude.bad, claude.stalled) == (
        "claude",
        1,
        1,
        1,
        1,
    )
    assert (gpt.value, gpt.in_flight, gpt.ended, gpt.bad, gpt.stalled) == ("gpt", 1, 1, 0, 1)
    assert (gpt.output_tokens, gpt.cost_usd, gpt.estimated) == (110, 0.5, True)
    assert (gpt.first_token_s(0.5), claude.first_token_s(0.5)) == (3, 0)


def test_a_groups_filter_shows_just_its_rows():
    told = Told().started("a", "gpt 4").started("b", "gpt 4o").started("c", "")
    for found in group(told.model.rows.values(), "model", told.now):
        wanted = compile_filter(found.filter)

        assert [row.model for row in told.model.rows.values() if wanted(row, told.now)] == [found.value]


def test_every_grouping_is_a_field():
    told = Told().started()

    for field in GROUPINGS[1:]:
        assert len(group(told.model.rows.values(), field, told.now)) == 1
