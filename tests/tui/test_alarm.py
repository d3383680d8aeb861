from __future__ import annotations

import sys

import pytest
from telling import Told

from otel_stream.tui import alarm as alarm_module
from otel_stream.tui.alarm import Alarm, environment
from otel_stream.tui.limits import Crossing


@pytest.fixture
def crossing():
    told = Told().started(
        "req_1", "gpt-4o; rm -rf ~", agent_type="codex", tenant="a\x00b\udcff", trace_id="beef"
    )
    return Crossing(told.row("req_1"), "cost_usd", 1.5)


def test_it_rings_but_not_without_end(crossing):
    rung, seconds = [], [0.0]
    alarm = Alarm(lambda: rung.append(seconds[0]), clock=lambda: seconds[0])

    for at in (0.0, 0.5, 1.0, 1.5):
        seconds[0] = at
        alarm([crossing])
    alarm([])

    assert rung == [0.0, 1.0]


def test_silence_is_possible(crossing):
    Alarm(None)([crossing])


def test_a_command_learns_from_its_environment_what_happened(crossing, tmp_path):
    """Not from its command line: what models and callers are called must not become words of it."""
    told = tmp_path / "told"
    script = tmp_path / "notify.py"
    script.write_text(
        "import os, sys\n"
        "told = {n: v for n, v in os.environ.items() if n.startswith('ALERT_')}\n"
        f"open({str(told)!r}, 'w').write(repr((sys.argv[1:], sorted(told.items()))))\n"
    )
    alarm = Alarm(None, f"{sys.executable} {script} 'two words'")

    alarm([crossing])
    alarm.wait()

    words, known = eval(told.read_text())  # noqa: S307 - written above
    assert words == ["two words"]
    assert dict(known) == {
        "ALERT_LIMIT": "cost_usd",
        "ALERT_VALUE": "1.5",
        "ALERT_REQUEST_ID": "req_1",
        "ALERT_MODEL": "gpt-4o; rm -rf ~",
        "ALERT_AGENT": "codex",
        "ALERT_TENANT": "ab?",
        "ALERT_TRACE_ID": "beef",
        "ALERT_GATEWAY": "4711",
    }


def test_what_is_not_known_is_not_in_the_environment():
    told = Told().started()

    assert "ALERT_TENANT" not in environment(Crossing(told.row("req_1"), "stall_s", 11.0))


def test_only_so_many_commands_run_at_a_time(crossing, monkeypatch, tmp_path):
    monkeypatch.setattr(alarm_module, "MAX_RUNNING", 2)
    started = []

    class Running:
        def __init__(self, *args, **options):
            started.append(self)
            self.done = False

        def poll(self):
            return 0 if self.done else None

    monkeypatch.setattr(alarm_module.subprocess, "Popen", Running)
    alarm = Alarm(None, "notify")

    alarm([crossing] * 5)
    at_first = len(started)
    started[0].done = True
    alarm([crossing] * 5)

    assert (at_first, len(started)) == (2, 3)


def test_a_command_that_cannot_be_run_is_told(crossing):
    alarm = Alarm(None, "/no/such/command")

    alarm([crossing])

    assert alarm.failure == "/no/such/command: No such file or directory"


def test_quotes_that_do_not_close_are_refused():
    with pytest.raises(ValueError, match="No closing quotation"):
        Alarm(None, "notify 'me")
