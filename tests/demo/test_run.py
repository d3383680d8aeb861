"""The demo as a whole, in a hurry: real processes, everything else thirty times faster."""

from __future__ import annotations

import os
import re
import signal
import sys

import pytest

from otel_stream.demo import run
from otel_stream.demo.launch import Options
from otel_stream.demo.processes import Child
from otel_stream.demo.run import Demo
from otel_stream.demo.tally import Totals
from otel_stream.events import Completed, Started

HURRY = {
    "rate": 40.0,
    "speed": 30.0,
    "gateway_port": 0,
    "provider_port": 0,
    "page_port": 0,
    "metrics_port": 0,
}


@pytest.fixture(autouse=True)
def no_collector(monkeypatch):
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def children(monkeypatch):
    """The processes that were started."""
    started = []
    start = Child.start.__func__

    async def noted(cls, *arguments, **options):
        child = await start(cls, *arguments, **options)
        started.append(child)
        return child

    monkeypatch.setattr(Child, "start", classmethod(noted))
    return started


def test_from_start_to_end_the_totals_equal_the_counters(children, capsys, tmp_path):
    spans = tmp_path / "spans.json"

    code = Demo(Options(duration_seconds=3, spans=str(spans), **HURRY)).main()

    out = capsys.readouterr().out
    assert code == 0, out
    assert "The totals of the events equal the counters in /metrics." in out
    assert f"spans     to {spans}" in out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert rows["all"][1:] == rows["/metrics"]
    assert int(rows["/metrics"][0]) > 20
    assert '"name": "chat ' in spans.read_text()
    assert [child._process.returncode is not None for child in children] == [True, True]


def test_ctrl_c_stops_everything_and_the_books_are_balanced(children, capsys, monkeypatch):
    demo = Demo(Options(**HURRY | {"speed": 1.0}))
    add = demo.listing.add

    def add_and_press(event):
        if isinstance(event, Started) and len(demo.listing.tally.open) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return add(event)

    monkeypatch.setattr(demo.listing, "add", add_and_press)

    code = demo.main()

    out = capsys.readouterr().out
    assert code == 0, out
    assert demo.listing.tally.totals.cancelled >= 5
    assert "hung up" in out
    assert [child._process.returncode is not None for child in children] == [True, True]
    assert not demo.folder.exists()


def test_a_gateway_that_does_not_start_is_told_with_its_log(children, capsys, monkeypatch):
    failing = [sys.executable, "-c", "import sys; sys.exit('no such app')"]
    monkeypatch.setattr(run, "gateway_command", lambda at: failing)

    code = Demo(Options(**HURRY)).main()

    assert code == 1
    assert capsys.readouterr().err == "the gateway ended; the end of its log:\nno such app\n"
    assert all(child._process.returncode is not None for child in children)


def test_a_gateway_that_is_not_instrumented_is_told(children, capsys, monkeypatch):
    monkeypatch.setattr(run, "METRICS_SECONDS", 0.2)
    without_prefix = run.gateway_command
    monkeypatch.setattr(run, "gateway_command", lambda at: without_prefix(at)[2:])

    code = Demo(Options(**HURRY)).main()

    assert code == 1
    assert "the gateway does not listen on port" in capsys.readouterr().err


def test_a_child_that_dies_on_the_way_ends_the_demo(children, capsys, monkeypatch):
    demo = Demo(Options(**HURRY))
    add = demo.listing.add

    def add_and_kill(event):
        if isinstance(event, Started) and not demo.listing.tally.open:
            children[0]._process.kill()
        return add(event)

    monkeypatch.setattr(demo.listing, "add", add_and_kill)

    assert demo.main() == 1
    assert "the provider ended; the end of its log:" in capsys.readouterr().err


@pytest.fixture
def demo():
    demo = Demo(Options(**HURRY))
    demo.load.seen["answered"] += 1
    demo.listing.add(Started("r", "gpt-4o"))
    demo.listing.add(Completed("r", 10, 5, 0.5))
    return demo


PAGE = """
llm_stream_requests_total{outcome="completed"} 1
llm_stream_tokens_total{token_type="input"} 10
llm_stream_tokens_total{token_type="output"} %d
llm_stream_cost_usd_total 0.5
"""


def test_books_that_balance_are_a_success(demo, capsys):
    assert demo._close(PAGE % 5, '{"outcomes":{"cut":2,"completed":1}}') == 0
    out = capsys.readouterr().out
    assert "What the provider sent: 1 completed, 2 cut." in out
    assert "What the callers saw: 1 answered." in out


def test_a_difference_is_shown_and_is_a_failure(demo, capsys):
    assert demo._close(PAGE % 7, None) == 1
    assert "/metrics differs in output_tokens by +2" in capsys.readouterr().out


def test_without_metrics_nothing_is_claimed(demo, capsys):
    assert demo._close(None, None) == 1
    out = capsys.readouterr().out
    assert "did not answer, so the totals are not checked" in out
    assert "What the provider sent: nothing." in out


async def test_what_does_not_settle_is_given_up(demo, monkeypatch):
    monkeypatch.setattr(run, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(run, "SETTLE_SECONDS", 0.01)
    demo.listing.add(Started("still open", "gpt-4o"))

    await demo._settle()

    assert demo.listing.tally.totals == Totals(1, 1, 0, 0, 10, 5, 0.5)


async def test_the_last_events_are_waited_for(demo, monkeypatch):
    monkeypatch.setattr(run, "LOOK_SECONDS", 0.001)
    pages = [None, PAGE % 6, PAGE % 5]

    async def page():
        return pages.pop(0)

    monkeypatch.setattr(demo, "_page", page)

    await demo._settle()

    assert pages == []


def test_on_a_terminal_there_is_a_screen(monkeypatch):
    monkeypatch.setattr(run, "_on_a_terminal", lambda: True)

    assert Demo(Options(**HURRY)).has_screen
    assert not Demo(Options(plain=True, **HURRY)).has_screen
    assert not Demo(Options(spans="-", **HURRY)).has_screen, "spans would be drawn over"


def test_without_a_terminal_there_is_none():
    assert not Demo(Options(**HURRY)).has_screen


def screen_that(does, monkeypatch):
    """Have the demo open a program of ours as its screen."""
    monkeypatch.setattr(run, "_on_a_terminal", lambda: True)
    monkeypatch.setattr(run, "screen_command", lambda folder, notes: [sys.executable, "-c", does])


def test_who_leaves_the_screen_ends_the_demo_and_the_books_are_balanced(children, capsys, monkeypatch):
    screen_that("", monkeypatch)

    code = Demo(Options(**HURRY)).main()

    out = capsys.readouterr().out
    assert code == 0, out
    assert re.search(r"page      http://127\.0\.0\.1:\d+/#token=\S+", out)
    assert (
        out.index("Ctrl-C ends it.") < out.index("stopping ...") < out.index("The totals of the events equal")
    )
    assert [child._process.returncode is not None for child in children] == [True, True]


def test_a_screen_that_fails_is_told(children, capsys, monkeypatch):
    screen_that("import sys; sys.exit('no colours')", monkeypatch)

    assert Demo(Options(**HURRY)).main() == 1
    assert capsys.readouterr().err.endswith("the screen ended\n")


def test_when_the_time_is_over_the_screen_is_closed(children, capsys, monkeypatch):
    opened = []
    in_our_terminal = Child.in_our_terminal.__func__

    async def noted(cls, *arguments):
        opened.append(await in_our_terminal(cls, *arguments))
        return opened[0]

    monkeypatch.setattr(Child, "in_our_terminal", classmethod(noted))
    screen_that("import time; time.sleep(100)", monkeypatch)

    code = Demo(Options(duration_seconds=0.5, **HURRY)).main()

    assert code == 0, capsys.readouterr().out
    assert opened[0]._process.returncode == -signal.SIGTERM


async def test_who_ends_it_before_it_has_begun_sees_no_screen(demo):
    demo.has_screen = True
    demo._stop.set()

    async with demo._screen([]) as screens:
        assert screens == []


async def test_sums_are_told_now_and_then(demo, monkeypatch, capsys):
    monkeypatch.setattr(run, "SUMS_SECONDS", 0.001)

    await demo._first_of(demo._sums(), timeout=0.05)

    assert "in flight 0 · ended 1 · tokens 10 in 5 out" in capsys.readouterr().out


def test_spans_may_go_to_our_own_output():
    demo = Demo(Options(spans="-", **HURRY))

    with demo._spans_file() as target:
        assert target is None


async def test_a_page_that_is_refused_is_no_page(demo):
    assert await run._get("http://127.0.0.1:9/metrics") is None
    assert await demo._page() is None
