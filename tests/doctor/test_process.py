"""Processes that run: one that answers for itself, and such as can only be looked at from outside."""

from __future__ import annotations

import os
import sys

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter
from publishing import Publisher
from watching import watching

from otel_stream.config import Settings
from otel_stream.demo.processes import free_port
from otel_stream.doctor import process
from otel_stream.instrumentation import HOOKS
from otel_stream.instrumentation.status import describe, encode
from otel_stream.live.server import serve
from otel_stream.metrics import exposition

HERE = str(os.getpid())
INSTRUMENTED = "/x/opentelemetry/instrumentation/auto_instrumentation:/app"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def proc(tmp_path):
    """Make an entry of /proc; returns the folder that stands for it."""

    def make(env, *command, pid="77"):
        entry = tmp_path / "proc" / pid
        entry.mkdir(parents=True)
        (entry / "environ").write_text("".join(f"{name}={value}\0" for name, value in env.items()))
        (entry / "cmdline").write_text(
            "".join(f"{word}\0" for word in command or (sys.executable, "/v/uvicorn"))
        )
        return tmp_path / "proc"

    return make


def lines(section):
    return {(f.subject, f.level): f.text for f in section.findings}


def problems(section):
    return [f.subject for f in section.findings if f.level == "problem"]


# -- asked at its endpoint ------------------------------------------------------------------------------


def test_an_instrumented_process_says_what_is_hooked(place):
    with watching(live="unix", live_path=str(place)):
        (section,) = process.running(place)
        named = process.one(HERE, str(place))

    assert section.title == named.title == f"Process {HERE}, asked at {place / HERE}.sock"
    assert problems(section) == []
    assert section.status.instrumented
    assert lines(section)["httpx", "ok"].endswith("is watched")
    assert httpx2.__version__ in str(section.findings)


def test_a_process_that_serves_the_feed_and_no_status_is_told(place):
    server = serve(Publisher().processor, Settings(live="unix", live_path=str(place)))
    try:
        (section,) = process.running(place)
    finally:
        server.close()

    assert problems(section) == ["live feed"]
    assert "no /status" in lines(section)["live feed", "problem"]


def test_a_process_whose_instrumentation_was_taken_out_is_told(place):
    settings = Settings(live="unix", live_path=str(place))
    server = serve(Publisher().processor, settings, status=lambda: encode(describe(HOOKS)))
    try:
        (section,) = process.running(place)
    finally:
        server.close()

    assert problems(section) == ["hooks"]


def test_nobody_runs_where_there_is_no_folder(place):
    assert process.running(place) == []


def test_a_folder_that_is_open_to_others_is_told(place, proc):
    place.mkdir()
    place.chmod(0o755)

    assert [problems(section) for section in process.running(place)] == [["live feed"]]
    assert problems(process.one("77", str(place), proc({}))) == ["live feed"]


# -- seen from outside ----------------------------------------------------------------------------------


@pytest.fixture
def page():
    """A /metrics of ours; gives its port."""
    registry = CollectorRegistry()
    Counter("llm_stream_things", "Things.", registry=registry)
    server = exposition.serve(registry, "127.0.0.1", 0)
    yield str(server.port)
    server.close()


def test_a_gateway_that_was_started_well_is_well(place, proc, page):
    env = {"PYTHONPATH": INSTRUMENTED, "OTEL_EXPORTER_PROMETHEUS_PORT": page, "PATH": os.environ["PATH"]}
    section = process.one("77", str(place), proc(env))

    assert section.title == f"Process 77: {os.path.basename(sys.executable)} uvicorn"  # noqa: PTH119
    assert problems(section) == []
    assert lines(section)["start", "ok"] == "with opentelemetry-instrument"
    assert lines(section)["live feed", "note"] == "its live endpoint is off, so its hooks cannot be asked for"


def test_a_gateway_that_was_started_plainly_is_told_how_to(place, proc):
    env = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port(0))}
    section = process.one("77", str(place), proc(env))

    assert problems(section) == ["start", "/metrics"]
    assert section.findings[0].cure == "start it with: opentelemetry-instrument -- COMMAND"


def test_its_own_settings_are_read(place, proc):
    env = {"PYTHONPATH": INSTRUMENTED, "OTEL_STREAM_EVENTS": "yes", "OTEL_SDK_DISABLED": "true"}

    assert problems(process.one("77", str(place), proc(env))) == ["setting"]


@pytest.mark.parametrize("env", [{"OTEL_STREAM_PROMETHEUS": "false"}, {"OTEL_EXPORTER_PROMETHEUS_PORT": "0"}])
def test_a_page_that_cannot_be_known_is_not_looked_for(place, proc, env):
    assert problems(process.one("77", str(place), proc({"PYTHONPATH": INSTRUMENTED} | env))) == []


def test_a_live_feed_that_is_wanted_and_not_there_is_told(proc, tmp_path):
    env = {
        "PYTHONPATH": INSTRUMENTED, "OTEL_STREAM_LIVE": "unix",
        "OTEL_STREAM_LIVE_PATH": str(tmp_path / "none"),        "OTEL_STREAM_PROMETHEUS": "false",
    }  # fmt: skip

    assert problems(process.one("77", proc=proc(env))) == ["live feed"]


def test_another_python_is_told_with_its_own_doctor(place, proc, tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("")
    python.chmod(0o755)
    section = process.one("77", str(place), proc({"PYTHONPATH": INSTRUMENTED}, str(python), "-m", "gateway"))

    assert section.findings[0].cure == f"{python} -m otel_stream.cli doctor"


@pytest.mark.parametrize("command", ["gunicorn: worker [app]", ""])
def test_a_program_that_calls_itself_something_else_is_no_other_python(place, proc, command):
    section = process.one("77", str(place), proc({"PYTHONPATH": INSTRUMENTED}, command))

    assert section.findings[0].subject == "start"


def test_no_word_behind_the_program_is_told(place, proc):
    proc = proc(
        {"OTEL_STREAM_PROMETHEUS": "false"}, sys.executable, "/v/litellm", "--master-key", "sk-s3cret"
    )

    assert "s3cret" not in str(process.one("77", str(place), proc))


def test_a_process_that_is_not_there_is_told(place, tmp_path):
    (found,) = process.one("77", str(place), tmp_path).findings

    assert (found.level, found.text) == ("problem", "there is none of this id")


def test_a_process_of_another_user_is_told(place, tmp_path):
    (tmp_path / "77" / "environ").mkdir(parents=True)  # cannot be read by anybody
    (found,) = process.one("77", str(place), tmp_path).findings

    assert (found.level, found.cure) == ("problem", "run the doctor as its user")
