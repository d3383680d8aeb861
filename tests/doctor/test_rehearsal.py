"""Real starts: a child of this Python under `opentelemetry-instrument`."""

from __future__ import annotations

import pytest
from documents import environment

from otel_stream.demo.processes import free_port
from otel_stream.doctor import packages
from otel_stream.doctor.rehearsal import rehearse

NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


def start(*modules, path="", **env):
    return rehearse(modules, environment(**NO_EXPORT, **env, PYTHONPATH=str(path)))


def problems(section):
    return [(f.subject, f.text) for f in section.findings if f.level == "problem"]


def states(section):
    return {tap.module: tap.state for tap in section.status.taps}


def test_all_libraries_that_are_installed_are_watched():
    section = start()

    assert problems(section) == []
    assert set(states(section).values()) == {"installed"}
    assert section.title == "A start, with all libraries we know"


def test_what_an_application_imports_is_watched_and_the_rest_waits(tmp_path):
    (tmp_path / "app.py").write_text("import flask\nprint('noise')\napp = flask.Flask('app')\n")
    section = start("app:app", path=tmp_path)

    assert problems(section) == []
    assert {name: states(section)[name] for name in ("flask", "aiohttp")} == {
        "flask": "installed", "aiohttp": "waiting",
    }  # fmt: skip


def test_an_application_that_cannot_be_imported_says_why_without_keys(tmp_path):
    (tmp_path / "app.py").write_text("raise ValueError('bad key sk-abcdefgh12345678')")
    section = start("app:app", path=tmp_path)

    assert problems(section) == [("import", "app:app: ValueError: bad key [redacted]")]


def test_a_library_that_is_too_old_is_told_with_the_version_that_is_needed(tmp_path):
    """As botocore brought it along for years: its inside is another."""
    (tmp_path / "urllib3").mkdir()
    (tmp_path / "urllib3" / "__init__.py").write_text(
        "class HTTPConnectionPool:\n    def urlopen(self): ...\n"
    )
    (tmp_path / "urllib3-1.26.20.dist-info").mkdir()
    (tmp_path / "urllib3-1.26.20.dist-info" / "METADATA").write_text("Name: urllib3\nVersion: 1.26.20\n")
    section = start("urllib3", path=tmp_path)

    assert problems(section) == [
        ("urllib3", "urllib3 1.26.20 is not watched: urllib3 1.26.20 is installed; 2 or newer is needed")
    ]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"OTEL_STREAM_EVENTS": "yes"}, "OTEL_STREAM_EVENTS must be one of span, log, both, none; got 'yes'"),
        ({"OTEL_TRACES_EXPORTER": "jaegerr"}, "Requested component 'jaegerr' not found"),
        ({"OTEL_SDK_DISABLED": "true"}, "otel-stream is not started; the lines above say why"),
        ({"OTEL_STREAM_PRICES": "/no/such/file"}, "cannot read /no/such/file"),
    ],
)
def test_a_start_that_records_nothing_says_why(env, words):
    section = rehearse(["flask"], environment(**(NO_EXPORT | env)))

    ((subject, text),) = problems(section)
    assert (subject, text.startswith("nothing would be recorded: "), words in text) == ("start", True, True)


def test_a_gateway_that_runs_already_is_not_disturbed(tmp_path):
    port = free_port(0)
    env = {
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port), "OTEL_STREAM_LIVE": "unix",
        "OTEL_STREAM_LIVE_PATH": str(tmp_path / "live"), "OTEL_STREAM_TAIL": str(tmp_path / "tail"),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "workers"),
    }  # fmt: skip
    section = start("flask", **env)

    assert (problems(section), list(tmp_path.iterdir())) == ([], [])
    assert section.status.metrics_url.startswith("http://127.0.0.1:")
    assert f":{port}/" not in section.status.metrics_url


def test_a_module_that_starts_its_server_is_not_waited_for_without_end(tmp_path):
    (tmp_path / "server.py").write_text("import threading\nthreading.Event().wait()\n")
    section = rehearse(["server"], environment(**NO_EXPORT, PYTHONPATH=str(tmp_path)), seconds=3)

    ((subject, text),) = problems(section)
    assert (subject, "does the module start its server when it is imported?" in text) == ("start", True)


def test_a_child_that_dies_is_told_by_its_last_words(tmp_path):
    (tmp_path / "rude.py").write_text(
        "import os, sys\nprint('I quit', file=sys.stderr, flush=True)\nos._exit(3)\n"
    )

    assert problems(start("rude", path=tmp_path)) == [("start", "I quit")]


def test_without_a_launcher_nothing_can_be_rehearsed(monkeypatch):
    monkeypatch.setattr(packages, "launcher", lambda env: None)

    assert problems(start()) == [("start", "needs opentelemetry-instrument")]
