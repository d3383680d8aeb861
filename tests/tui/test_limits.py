from __future__ import annotations

from telling import Told

from otel_stream.tui.limits import Limits, Watcher

LIMITS = Limits(first_token_s=2, stall_s=5, cost_usd=1)


def look(watcher, told):
    return [
        (crossing.row.request_id, crossing.limit, crossing.value)
        for crossing in watcher.look(told.model.rows.values(), told.now)
    ]


def test_each_crossing_is_told_once():
    told, watcher = Told().started().started("fine"), Watcher(LIMITS)
    told.said("a", "fine").wait(3)

    assert look(watcher, told) == [("req_1", "first_token_s", 3)]
    assert look(watcher, told) == []
    assert told.row("req_1").marks == {"first_token_s"}


def test_a_stall_that_ended_may_come_again():
    told, watcher = Told().started().said("a").wait(6), Watcher(LIMITS)

    first = look(watcher, told)
    told.said("b")
    between = look(watcher, told)
    told.wait(7)

    assert (first, between) == ([("req_1", "stall_s", 6)], [])
    assert look(watcher, told) == [("req_1", "stall_s", 7)]


def test_what_costs_too_much_is_told_at_the_end_as_well():
    told, watcher = Told().started().said("a").completed(cost_usd=1.5), Watcher(LIMITS)

    assert look(watcher, told) == [("req_1", "cost_usd", 1.5)]


def test_none_is_no_limit():
    told, watcher = Told().started().wait(99), Watcher(Limits(None, None, None))

    assert look(watcher, told) == []
