from __future__ import annotations

from telling import GATEWAY, Told

from otel_stream.terminal import cells
from otel_stream.tui.totals import BETWEEN, Segment, fit_segments, joined, sources, sums, totals


def said(segments):
    return [segment.text for segment in segments if segment.text.strip()]


def test_what_is_going_on_in_all():
    told = Told().started("a").wait(11).said("x", "a").started("b").wait(11).started("c")
    told.failed("c", cost_usd=0.25)

    assert " | ".join(said(totals(told.model, told.now))) == (
        "2 in flight | 1 waiting | 1 stalled | 1 errors/min | 0 tok/s |                 █    |"
        " first token 11.0s / 11.0s | $0.2500/min"
    )


def test_trouble_is_marked_and_its_absence_is_dim():
    calm, busy = Told().snapshot(), Told().started().said("x").wait(11).started("b").failed("b")

    def roles(told):
        return {segment.text.split()[-1]: segment.role for segment in totals(told.model, told.now)[:4]}

    assert roles(calm) == {"flight": "strong", "waiting": "dim", "stalled": "dim", "errors/min": "dim"}
    assert roles(busy) == {"flight": "strong", "waiting": "dim", "stalled": "stalled", "errors/min": "error"}


def test_what_has_come_together():
    told = Told().started("a").completed("a", 1200, 34, 0.25).started("b").failed("b", outcome="cancelled")
    told.started("c").failed("c", outcome="timeout", output_tokens=6)

    assert said(sums(told.model)) == ["3 ended", "$0.2500", "1,200 → 40 tokens", "1 errors", "1 cancelled"]


def test_two_lines_become_one_where_there_is_room():
    first, second = [Segment("one")], [Segment("two"), Segment("three")]

    assert joined(first, second, 15) == [[*first, *second]]
    assert joined(first, second, 14) == [first, second]


def test_where_it_comes_from():
    told = Told().snapshot().snapshot(gateway="4712")
    told.model.link("4713", "connecting", note="the feed broke off")
    told.model.link("4714", "gone", note="the process ended")

    assert said(sources(told.model, told.now, skipped=3)) == [
        "demo-gateway (2)",
        "4713 connecting: the feed broke off",
        "4714 gone",
        "0 events/s",
        "text on",
        "missed 0",
        "3 not understood",
    ]


def test_text_may_be_on_at_some_gateways_only():
    told = Told().snapshot().snapshot(gateway="4712")
    told.model.feeds["4712"].info = type(GATEWAY)(1, "other", "e")

    assert "text partly" in said(sources(told.model, told.now))
    told.model.forget("4711")
    assert "text off" in said(sources(told.model, told.now))


def test_what_was_missed_may_be_more_than_is_known():
    told = Told().snapshot().lagged(5).lagged(None)

    (missed,) = [one for one in sources(told.model, told.now) if one.text.startswith("missed")]

    assert missed == Segment("missed 5+?", "alert", missed.need)


def test_a_narrow_line_keeps_what_is_needed_most():
    segments = [
        Segment(text, need=need) for text, need in (("first", 5), ("", 9), ("second", 1), ("third", 7))
    ]

    def fitted(width):
        return BETWEEN.join(said(fit_segments(segments, width)))

    assert [fitted(width) for width in (40, 20, 14, 6, 1)] == [
        "first  second  third",
        "first  second  third",
        "first  third",
        "third",
        "third",
    ]
    assert cells(fitted(40)) == 20


def test_what_a_gateway_calls_itself_is_harmless():
    told = Told().snapshot()
    told.model.feeds["4711"].info = type(GATEWAY)(1, "\x1b[2Jshop", "e")

    assert said(sources(told.model, told.now))[0] == "·[2Jshop"
