from __future__ import annotations

import pytest
from telling import Told

from otel_stream.tui.columns import SORT_KEYS
from otel_stream.tui.filter import FilterError
from otel_stream.tui.view import View


def shown(view, told):
    return [row.request_id for row in view.rows(told.now)]


def test_streams_in_flight_come_first_then_the_latest_end():
    told = Told().started("a").started("b").started("c").started("d")
    view = View(told.model)
    before = shown(view, told)

    told.wait(1).completed("a").wait(1).completed("c")

    assert before == ["a", "b", "c", "d"]
    assert shown(view, told) == ["b", "d", "c", "a"]


def test_rows_that_are_dropped_disappear():
    told = Told().started("a").completed("a").started("b")
    view = View(told.model)
    before = shown(view, told)

    told.model.dismiss(["a"])

    assert (before, shown(view, told)) == (["b", "a"], ["b"])


def test_a_lost_stream_that_comes_back_is_in_flight_again():
    told = Told().started("a").started("b").snapshot()
    view = View(told.model)
    before = shown(view, told)

    told.said("x", "a")

    assert (sorted(before), shown(view, told)) == (["a", "b"], ["a", "b"])


def test_the_order_changes_only_when_it_is_sorted():
    told = Told().started("a").said("x" * 40, "a").started("b").said("x" * 400, "b")
    view = View(told.model)
    view.sort(SORT_KEYS["tokens"], told.now, descending=True)
    first = shown(view, told)

    told.said("x" * 4000, "a").started("c")
    later = shown(view, told)
    view.sort(SORT_KEYS["tokens"], told.now, descending=True)

    assert (first, later, shown(view, told)) == (["b", "a"], ["b", "a", "c"], ["a", "b", "c"])


def test_unknown_values_are_sorted_last_either_way():
    told = Told().started("a").started("b").said("x", "b").started("c").wait(1).said("x", "c")
    view = View(told.model)

    view.sort(SORT_KEYS["ttft"], told.now, descending=False)
    up = shown(view, told)
    view.sort(SORT_KEYS["ttft"], told.now, descending=True)

    assert (up, shown(view, told)) == (["b", "c", "a"], ["c", "b", "a"])


@pytest.mark.parametrize("name", SORT_KEYS)
def test_everything_can_be_sorted_by(name):
    told = Told().started("a").said("x", "a").started("b", "Model", provider="p", agent_type="q")
    told.failed("b").started("c")
    view = View(told.model)

    view.sort(SORT_KEYS[name], told.now, descending=False)

    assert sorted(shown(view, told)) == ["a", "b", "c"]


def test_filter_and_errors_only_choose_rows():
    told = Told().started("a", "gpt").started("b", "gpt").failed("b").started("c", "claude").failed("c")
    view = View(told.model)

    view.set_filter("model:gpt")
    filtered = shown(view, told)
    view.errors_only = True

    assert (filtered, shown(view, told)) == (["a", "b"], ["b"])


def test_a_wrong_filter_leaves_the_one_there_is():
    told = Told().started("a", "gpt").started("b", "claude")
    view = View(told.model)
    view.set_filter(" gpt ")

    with pytest.raises(FilterError):
        view.set_filter("nope:x")

    assert (view.filter, shown(view, told)) == ("gpt", ["a"])
