from __future__ import annotations

import json
import os

import pytest

from otel_stream.cli import main
from otel_stream.demo.processes import free_port
from otel_stream.doctor import command, rehearsal
from otel_stream.doctor.report import Section, ok, problem

NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


@pytest.fixture(autouse=True)
def nobody_runs(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    env = {
        **NO_EXPORT, "OTEL_STREAM_LIVE_PATH": str(tmp_path / "live"),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port(0)),
    }  # fmt: skip
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def started(monkeypatch):
    """What was rehearsed, instead of doing it."""
    asked = []

    def rehearse(modules, env):
        asked.append(modules)
        return Section("A start", [ok("httpx", "is watched")])

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    return asked


def test_an_environment_that_is_well_is_0(started, capsys):
    assert main(["doctor"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("This environment\n  ok Python")
    assert out.endswith("A start\n  ok httpx            is watched\n\nnothing stands in the way\n")


def test_something_in_the_way_is_1(started, capsys, monkeypatch):
    monkeypatch.setenv("OTEL_STREAM_EVENTS", "yes")

    assert main(["doctor"]) == 1
    assert "!! setting          OTEL_STREAM_EVENTS must be one of" in capsys.readouterr().out


def test_modules_are_imported_in_the_start(started):
    main(["doctor", "--import", "app:app", "--import", "more"])

    assert started == [["app:app", "more"]]


def test_programs_get_json(started, capsys):
    main(["doctor", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], [section["title"] for section in told["sections"]]) == (
        True, ["This environment", "A start"],
    )  # fmt: skip


def test_gateways_that_run_are_asked(started, monkeypatch, capsys):
    asked = []

    def running(place):
        asked.append(str(place))
        return [Section("Process 1", [problem("httpx", "is not watched")])]

    monkeypatch.setattr(command.process, "running", running)

    assert main(["doctor", "--folder", "/here"]) == 1
    assert asked == ["/here"]


def test_named_processes_are_looked_at_and_nothing_else(started, capsys):
    assert main(["doctor", "--pid", "999999999", "--pid", "999999998"]) == 1

    out = capsys.readouterr().out
    assert started == []
    assert out.startswith(
        "Process 999999999\n  !! process          there is none of this id\n\nProcess 999999998"
    )


def test_a_whole_start_from_the_command_line(capsys):
    assert main(["doctor", "--import", "flask"]) == 0
    assert "  ok flask " in capsys.readouterr().out
