from __future__ import annotations

import io

import pytest

from otel_stream.demo.listing import MARKS, Listing, counts, ended_line, summary, verdict
from otel_stream.demo.tally import Tally, Totals
from otel_stream.events import OUTCOMES, Completed, Error, Started, TextDelta

SECOND = 1_000_000_000
AT = 1_700_000_000 * SECOND


def started(request_id="req_1", model="gpt-4o"):
    return Started(request_id, model, agent_type="coder", tenant="acme", time_unix_nano=AT)


DONE = Completed(
    "req_1", 1421, 100, 0.00455, duration_s=3.21, time_to_first_token_s=0.412, usage_source="provider",
    time_unix_nano=AT + 3 * SECOND,
)  # fmt: skip


@pytest.fixture
def listing():
    return Listing(io.StringIO())


def lines(listing):
    return listing._out.getvalue().splitlines()


def test_a_stream_that_ended_is_told_in_one_line(listing):
    listing.add(started())
    listing.add(TextDelta("req_1", "The quick brown fox"))
    listing.add(DONE)

    (line,) = lines(listing)
    assert line[8:] == (
        " ✓ coder@acme          gpt-4o                     completed "
        " 3.2 s, 1,421 → 100 tokens, $0.00455, first after 0.41 s"
    )


def test_what_a_model_or_a_provider_writes_cannot_move_the_cursor(listing):
    listing.add(started(model="gpt\x1b[2J"))
    listing.add(Error("req_1", "\x1b]0;owned\x07", error_type="x\x1by", time_unix_nano=AT))

    assert "\x1b" not in listing._out.getvalue()
    assert "\x07" not in listing._out.getvalue()


def test_where_a_screen_shows_the_streams_they_are_only_counted():
    listing = Listing(io.StringIO(), quiet=True)
    listing.add(started())
    listing.add(DONE)
    listing.sums()

    assert lines(listing) == []
    assert listing.tally.totals.requests == 1


def test_an_error_tells_its_reason_and_an_estimate_is_marked():
    event = Error(
        "req_1", "Overloaded", error_type="overloaded_error", outcome="error", output_tokens=9,
        usage_source="estimated", time_unix_nano=AT,
    )  # fmt: skip

    assert ended_line(started(), event)[30:].split("error ", 1)[1].strip() == (
        "~0 → 9 tokens, no price, overloaded_error: Overloaded"
    )


def test_an_answer_without_usage_says_so():
    assert ended_line(started(), Completed("r", None, None, None, chunks=3)).endswith("no usage reported")


def test_an_unknown_stream_is_told_by_its_id():
    assert "req_9" in ended_line(None, Error("req_9", "gone", outcome="cancelled"))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_its_mark(outcome):
    assert MARKS[outcome]


def test_sums_are_told_in_one_line(listing):
    listing.add(started())
    listing.add(started("req_3"))
    listing.add(Error("req_3", "left", outcome="cancelled"))
    listing.sums()

    assert lines(listing)[-1].strip() == (
        "in flight 1 · ended 1 · tokens 0 in 0 out · $0.0000 · errors 0 · cancelled 1"
    )


def tally(**by_model):
    found = Tally()
    found.by_model = by_model
    found.totals = Totals(3, 2, 1, 0, 1000, 50, 0.5)
    return found


def test_the_summary_has_a_row_a_model_their_sum_and_what_metrics_says():
    books = tally(gpt=Totals(3, 2, 1, 0, 1000, 50, 0.5), claude=Totals())

    lines = summary(books, books.totals)

    assert [line.split()[0] for line in lines] == ["requests", "claude", "gpt", "all", "/metrics"]
    assert lines[2].split() == ["gpt", "3", "2", "1", "0", "1,000", "50", "0.50000"]
    assert lines[3].split()[2:] == lines[4].split()[1:]


def test_without_metrics_the_summary_has_no_row_for_it():
    assert len(summary(tally(), None)) == 2


def test_what_metrics_says_is_held_against_the_events():
    totals = Totals(3, 2, 1, 0, 1000, 50, 0.5)

    assert verdict(totals, totals) == ["The totals of the events equal the counters in /metrics."]
    assert verdict(totals, totals._replace(output_tokens=52)) == ["/metrics differs in output_tokens by +2"]
    assert verdict(totals, None) == ["/metrics did not answer, so the totals are not checked."]


def test_a_ledger_is_told_in_words():
    assert counts({"cut": 2, "completed": 1}) == "1 completed, 2 cut"
    assert counts({}) == "nothing"
