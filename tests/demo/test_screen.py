from __future__ import annotations

import io

import pytest

from otel_stream.demo.screen import MARKS, Board, Painter, Printer, ended_line, summary
from otel_stream.demo.tally import Totals
from otel_stream.events import OUTCOMES, Completed, Error, Started, TextDelta
from otel_stream.terminal import cells

SECOND = 1_000_000_000
AT = 1_700_000_000 * SECOND


def started(request_id="req_1", model="gpt-4o"):
    return Started(request_id, model, agent_type="coder", tenant="acme", time_unix_nano=AT)


DONE = Completed(
    "req_1", 1421, 100, 0.00455, duration_s=3.21, time_to_first_token_s=0.412, usage_source="provider",
    time_unix_nano=AT + 3 * SECOND,
)  # fmt: skip


@pytest.fixture
def board():
    return Board()


def test_a_stream_in_flight_shows_the_end_of_its_text(board):
    board.add(started())
    for word in ("The ", "quick ", "brown ", "fox"):
        board.add(TextDelta("req_1", word))

    (line,) = board.in_flight(70, 5, AT + 2 * SECOND)

    assert line.startswith("coder@acme          gpt-4o                       2.0 s  ")
    assert line.rstrip().endswith("brown fox")
    assert cells(line) == 70


def test_before_the_first_token_it_waits(board):
    board.add(started())

    assert "waiting for the first token" in board.in_flight(100, 5, AT)[0]


def test_withheld_text_is_hinted_at(board):
    board.add(started())
    board.add(TextDelta("req_1", "", length=30))

    assert board.in_flight(100, 5, AT)[0].rstrip().endswith("···")


def test_what_a_model_writes_cannot_move_the_cursor(board):
    board.add(started(model="gpt\x1b[2J"))
    board.add(TextDelta("req_1", "\x1b[31mred\x07"))

    (line,) = board.in_flight(120, 5, AT)
    end = board.add(Error("req_1", "\x1b]0;owned\x07", error_type="x\x1by", time_unix_nano=AT))

    assert "\x1b" not in line + end
    assert "\x07" not in line + end


def test_no_more_streams_are_shown_than_there_is_room(board):
    for number in range(9):
        board.add(started(f"req_{number}"))

    lines = board.in_flight(60, 4, AT)

    assert len(lines) == 4
    assert lines[-1].startswith("  … and 6 more")


def test_text_kept_of_a_long_answer_is_bounded(board):
    board.add(started())
    for _ in range(1000):
        board.add(TextDelta("req_1", "x" * 100))

    assert sum(map(len, board._texts.values())) <= 400


def test_a_stream_that_ended_is_told_in_one_line(board):
    board.add(started())

    line = board.add(DONE)

    assert line[8:] == (
        " ✓ coder@acme          gpt-4o                     completed "
        " 3.2 s, 1,421 → 100 tokens, $0.00455, first after 0.41 s"
    )
    assert board.in_flight(60, 4, AT) == []
    assert board._texts == {}


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


def test_sums_are_told_in_one_line(board):
    board.add(started())
    board.add(DONE)
    board.add(started("req_2"))
    board.add(started("req_3"))
    board.add(Error("req_3", "left", outcome="cancelled"))

    assert board.sums() == (
        "in flight 1 · ended 2 · tokens 1,421 in 100 out · $0.0046 · errors 0 · cancelled 1"
    )


def test_without_a_terminal_lines_are_printed_as_they_come(board):
    out = io.StringIO()
    printer = Printer(board, out)

    printer.ended("a line")
    printer.refresh()
    printer.sums()
    printer.close()

    assert out.getvalue().splitlines() == ["a line", f"         {board.sums()}"]


def test_on_a_terminal_ended_streams_scroll_by_above_those_in_flight(board):
    out = io.StringIO()
    painter = Painter(board, out, (80, 24))
    board.add(started())
    painter.refresh()
    first = out.getvalue()

    painter.ended(board.add(DONE))
    painter.sums()
    painter.refresh()
    painter.close()
    second = out.getvalue()[len(first) :]

    assert first.count("\n") == 3
    assert second.startswith("\x1b[3A\r\x1b[J")
    assert "\x1b[32m✓\x1b[0m coder@acme" in second
    assert second.endswith("\x1b[2A\r\x1b[J")


def test_an_unmarked_line_is_not_coloured(board):
    out = io.StringIO()
    painter = Painter(board, out, (20, 24))

    painter.ended("x")
    painter.close()

    assert out.getvalue() == f"\r\x1b[J{'x':20}\n"


def test_no_line_is_wider_than_the_terminal(board):
    out = io.StringIO()
    painter = Painter(board, out, (40, 10))
    board.add(started())
    board.add(TextDelta("req_1", "東京" * 100))
    painter.ended(ended_line(started(), DONE))
    painter.refresh()

    for line in out.getvalue().splitlines():
        for code in ("\x1b[J", "\x1b[2m", "\x1b[1m", "\x1b[0m", "\x1b[32m"):
            line = line.replace(code, "")  # noqa: PLW2901 - what is left is what is seen
        assert cells(line) <= 40


def test_the_summary_has_a_row_a_model_their_sum_and_what_metrics_says():
    totals = Totals(3, 2, 1, 0, 1000, 50, 0.5)

    lines = summary({"gpt-4o": totals, "claude": Totals()}, totals, totals)

    assert [line.split()[0] for line in lines] == ["requests", "claude", "gpt-4o", "all", "/metrics"]
    assert lines[2].split() == ["gpt-4o", "3", "2", "1", "0", "1,000", "50", "0.50000"]
    assert lines[3].split()[2:] == lines[4].split()[1:]


def test_without_metrics_the_summary_has_no_row_for_it():
    assert len(summary({}, Totals(), None)) == 2
