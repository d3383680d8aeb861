from __future__ import annotations

import json
import os

import pytest
from telling import START

from otel_stream.events import Started
from otel_stream.tui import app as app_module
from otel_stream.tui import top
from otel_stream.tui.record import line_of
from otel_stream.tui.sources import LiveSource, ReplaySource


@pytest.fixture
def shown(monkeypatch):
    """The screens that would have been shown."""
    screens = []

    def run(app):
        screens.append(app)

    monkeypatch.setattr(app_module.Top, "run", run)
    return screens


def test_once_is_a_table(serving, options, capsys):
    gateway = serving()
    gateway.say(gateway.open("req_00000001", tenant="acme"), "x" * 40)
    gateway.open("req_00000002", model="claude-sonnet-4-20250514")

    code = top.run(options(top, "--once"))
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert lines[0].startswith("2 in flight  1 waiting  0 stalled")
    assert lines[1].endswith("text on  missed 0")
    assert lines[3].split() == [
        "stream",
        "state",
        "model",
        "provider",
        "who",
        "1st",
        "tok",
        "tokens",
        "silent",
        "cost",
        "age",
    ]
    assert [line.split()[:4] for line in lines[4:]] == [
        ["00000001", "●", "streaming", "gpt-4o"],
        ["00000002", "○", "waiting", "claude-sonnet-4"],
    ]


def test_once_as_json_is_for_programs(serving, options, capsys):
    first, second = serving(), serving()
    first.say(first.open("req_1", tenant="acme"), "x" * 40)
    second.complete(second.open("req_2"))

    top.run(options(top, "--once", "--json", "tenant:acme"))
    told = json.loads(capsys.readouterr().out)

    assert {gateway["key"] for gateway in told["gateways"]} == {first.key, second.key}
    assert (told["in_flight"], told["waiting"], told["stalled"]) == (1, 0, 0)
    (stream,) = told["streams"]
    assert (stream["request_id"], stream["state"], stream["output_tokens"]) == ("req_1", "streaming", 10)
    assert (stream["output_tokens_estimated"], stream["cost_estimated"]) == (True, True)
    assert stream["ended"] is None


def test_once_as_json_tells_how_streams_ended(serving, options, capsys):
    gateway = serving()
    gateway.complete(gateway.open("req_1"))

    top.run(options(top, "--once", "--json"))

    (stream,) = json.loads(capsys.readouterr().out)["streams"]
    assert (stream["state"], stream["ended"]["output_tokens"]) == ("completed", 7)


def test_gateways_that_do_not_answer_are_told_and_the_others_shown(serving, options, capsys, place):
    gateway = serving()
    (place / "1.sock").touch()

    assert top.run(options(top, "--once")) == 0
    told = capsys.readouterr()

    assert "1.sock" in told.err
    assert gateway.server is not None
    assert "0 in flight" in told.out


def test_nobody_to_be_watched_is_explained(options, capsys, place):
    assert top.run(options(top, "--once")) == 1
    assert f"no gateway is to be watched in {place}" in capsys.readouterr().err


def test_the_width_is_the_terminals(serving, options, capsys, monkeypatch):
    serving().open("req_00000001")
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((50, 20)))
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1)

    top.run(options(top, "--once"))

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 50


def test_the_screen_is_told_what_was_asked_for(options, shown, place):
    code = top.run(options(
        top, "model:gpt", "--slow", "3", "--stalled", "4", "--expensive", "0.5", "--bell",
        "--on-alert", "notify-send slow", "--trace-url", "http://x/{trace_id}", "--no-text",
    ))  # fmt: skip

    (app,) = shown
    assert code == 0
    assert isinstance(app.source, LiveSource)
    assert tuple(app._limits.limits) == (3, 4, 0.5)
    assert (app.view.filter, app.trace_url) == ("model:gpt", "http://x/{trace_id}")
    assert app.alarm._command == ["notify-send", "slow"]
    assert app.source._gateways._query == "refresh=2&text=false"


def test_a_recording_is_shown_at_its_speed(options, shown, tmp_path):
    path = tmp_path / "recording.jsonl"
    path.write_bytes(line_of("1", Started("a", "m", time_unix_nano=START)))

    top.run(options(top, "--replay", str(path), "--speed", "4"))

    assert isinstance(shown[0].source, ReplaySource)
    assert (shown[0].source.speed, shown[0].source.now()) == (4, START)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["modle:x"], 2, "no field 'modle'"),
        (["--on-alert", "notify 'me"], 2, '--on-alert "notify \'me": No closing quotation'),
        (["--replay", "/no/such"], 1, "No such file"),
        (["--url", "http://127.0.0.1:1", "--token-file", "/no/such"], 1, "cannot read /no/such"),
        (["--once", "modle:x"], 2, "no field 'modle'"),
    ],
)
def test_what_cannot_be_is_explained(request, options, words, code, message):
    capsys, shown = map(request.getfixturevalue, ("capsys", "shown"))
    if "--once" in words:
        request.getfixturevalue("serving")()

    assert top.run(options(top, *words)) == code
    assert message in capsys.readouterr().err
    assert shown == []


def test_pages_are_told_with_their_tokens(serving, options, capsys):
    serving()
    none = top.run(options(top, "--page")), capsys.readouterr().err
    gateway = serving(live="tcp")
    token = json.loads(gateway.server.path.read_text())["token"]

    code = top.run(options(top, "--page"))

    assert none == (1, "no gateway serves a page here; OTEL_STREAM_LIVE=tcp in its environment does\n")
    assert (code, capsys.readouterr().out) == (0, f"{gateway.server.url}#token={token}\n")


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "fast"])
def test_a_speed_is_a_positive_number(options, speed, capsys):
    with pytest.raises(SystemExit):
        options(top, "--speed", speed)
    assert "argument --speed" in capsys.readouterr().err
