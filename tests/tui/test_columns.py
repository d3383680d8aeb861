from __future__ import annotations

import pytest
from telling import Told

from otel_stream.tui.columns import COLUMNS, GATEWAY, SORT_KEYS, layout
from otel_stream.tui.limits import Limits, Watcher


def cells(told, request_id="req_1"):
    return {column.name: tuple(column.cell(told.row(request_id), told.now)) for column in COLUMNS}


def test_a_stream_in_flight():
    told = Told().started("req_0123456789abcdef", "gpt-4o", provider="openai", agent_type="codex")
    told.wait(0.42)
    for _ in range(31):
        told.said("abcdefgh", "req_0123456789abcdef").wait(0.1)

    shown = cells(told, "req_0123456789abcdef")

    assert {name: text for name, (text, _) in shown.items()} == {
        "id": "89abcdef",
        "state": "● streaming",
        "model": "gpt-4o",
        "provider": "openai",
        "who": "codex",
        "ttft": "0.42s",
        "tokens": "~62",
        "rate": "18",
        "stall": "0.10s",
        "gap": "108ms/108ms",
        "cost": "-",
        "age": "3.52s",
        "spark": "       ▅██",
    }
    assert (shown["state"][1], shown["spark"][1]) == ("streaming", "streaming")


def test_a_stream_that_has_said_nothing_yet():
    told = Told().started().wait(3)

    shown = cells(told)

    assert shown["ttft"][0] == "3.00s…"
    assert [shown[name][0] for name in ("tokens", "rate", "stall", "gap", "cost")] == [
        "0",
        "-",
        "-",
        "-",
        "-",
    ]


def test_an_ended_stream_has_exact_figures():
    told = Told().started().said("abcd").wait(2).completed(output_tokens=1234, cost_usd=0.0123)

    shown = cells(told)

    assert [shown[name][0] for name in ("state", "tokens", "cost")] == ["✓ completed", "1,234", "$0.0123"]


def test_crossed_limits_are_marked_by_more_than_colour():
    told = Told().started().wait(30)
    Watcher(Limits(first_token_s=5)).look(told.model.rows.values(), told.now)

    assert cells(told)["ttft"] == ("!30.0s…", "alert")


def test_what_strangers_write_cannot_move_the_cursor():
    told = Told().started("req_\x1b[2J", "gpt\x1b]52;c;AAAA\x07", provider="\x9b31m", agent_type="a\nb")

    text = "".join(text for text, _ in cells(told, "req_\x1b[2J").values())

    assert text.isprintable()


@pytest.mark.parametrize("width", range(1, 220))
def test_columns_never_take_more_than_there_is(width):
    placed = layout(width, (*COLUMNS, GATEWAY))

    used = sum(place.width for place in placed) + len(placed) - 1

    assert used == width or (len(placed) == 1 and used >= width) or not any(p.column.grow for p in placed)
    assert "state" in [place.column.name for place in placed]


def test_a_wide_window_shows_all_columns_and_a_narrow_one_what_matters():
    assert [place.column.name for place in layout(140)] == [column.name for column in COLUMNS]
    assert [place.column.name for place in layout(60)] == ["id", "state", "model", "tokens", "cost"]


def test_every_column_can_be_sorted_by():
    assert {column.name for column in (*COLUMNS, GATEWAY)} <= set(SORT_KEYS)
