from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from otel_stream.doctor import packages

BIN = str(Path(sys.executable).parent)


@pytest.fixture
def found(monkeypatch):
    """Find by subject, in an environment with other entry points and packages than this one has."""

    def found(subject, *, env=None, entries=None, missing=(), versions=None):
        if entries is not None:
            given = {group: [EntryPoint(*pair, group) for pair in pairs] for group, pairs in entries.items()}
            monkeypatch.setattr(packages, "entry_points", lambda group: given.get(group, []))
        if versions is not None:
            monkeypatch.setattr(packages, "installed", lambda name: versions.get(name, ""))
        monkeypatch.setattr(packages, "find_spec", lambda name: None if name in missing else name)
        every = packages.findings({"PATH": BIN} | (env or {}))
        return [(f.level, f.text, f.cure) for f in every if f.subject == subject]

    return found


@pytest.mark.parametrize("subject", ["Python", "otel-stream", "OpenTelemetry", "launcher", "entry point"])
def test_this_environment_is_well(found, subject):
    assert [level for level, *_ in found(subject)] == ["ok"]


@pytest.mark.parametrize(
    ("collects_anywhere", "versions", "level"),
    [
        (True, {"litellm": "1.106.0"}, "note"),
        (False, {"litellm": "1.106.0"}, "ok"),
        (True, {}, "ok"),
    ],
)
def test_a_python_that_litellm_can_crash_is_told(found, monkeypatch, collects_anywhere, versions, level):
    monkeypatch.setattr(packages, "COLLECTS_ANYWHERE", collects_anywhere)

    ((told, text, cure),) = found("Python", versions=versions)

    assert (told, sys.executable in text) == (level, True)
    assert cure == ("run LiteLLM on Python 3.12 or newer" if level == "note" else "")


def test_parts_that_are_missing_are_named(found):
    (told, missing) = found("OpenTelemetry", versions={"otel-stream": "1", "opentelemetry-api": "1.40"})

    assert told[1].startswith("api 1.40, sdk ?")
    absent = ("sdk", "instrumentation", "distro", "exporter-otlp")
    names = ", ".join(f"opentelemetry-{part}" for part in absent)
    assert missing == ("problem", f"not installed: {names}", "pip install otel-stream")


def test_a_launcher_that_is_not_on_the_path_is_told_by_its_full_name(found):
    ((level, text, _),) = found("launcher", env={"PATH": "/nowhere"})

    assert (level, text) == ("note", f"{BIN}/opentelemetry-instrument, which is not on the PATH")


def test_a_launcher_of_another_python_is_told(found, tmp_path):
    other = tmp_path / "opentelemetry-instrument"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)

    ((level, text, cure),) = found("launcher", env={"PATH": f"{tmp_path}:{BIN}"})

    assert (level, text) == ("note", f"{other} is found first, and is not the one of this Python")
    assert f"{BIN}/opentelemetry-instrument" in cure


def test_a_missing_launcher_stands_in_the_way(found, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    ((level, text, cure),) = found("launcher", env={"PATH": str(tmp_path)})

    assert (level, text) == ("problem", "opentelemetry-instrument is not there")
    assert "pip install opentelemetry-distro" in cure


CONFIGURATORS = "opentelemetry_configurator"


@pytest.mark.parametrize(
    ("pairs", "env", "expected"),
    [
        (
            [],
            {},
            ("problem", "none is installed, so nothing sets up an SDK", "pip install opentelemetry-distro"),
        ),
        ([("one", "m:C")], {}, ("ok", "one", "")),
        (
            [("one", "m:C"), ("two", "n:C")],
            {},
            ("note", "one is used, the first of one, two", "OTEL_PYTHON_CONFIGURATOR chooses one"),
        ),
        ([("one", "m:C"), ("two", "n:C")], {"OTEL_PYTHON_CONFIGURATOR": "two"}, ("ok", "two", "")),
        (
            [("one", "m:C")],
            {"OTEL_PYTHON_CONFIGURATOR": "two"},
            (
                "problem",
                "OTEL_PYTHON_CONFIGURATOR is 'two'; installed: one",
                "unset OTEL_PYTHON_CONFIGURATOR",
            ),
        ),
    ],
)
def test_which_configurator_is_used(found, pairs, env, expected):
    assert found("configurator", env=env, entries={CONFIGURATORS: pairs}) == [expected]


OURS = ("otel_stream", "otel_stream.instrumentation:StreamInstrumentor")


def test_a_missing_entry_point_stands_in_the_way(found):
    ((level, text, _),) = found("entry point", entries={})

    assert (level, "cannot find otel-stream" in text) == ("problem", True)


def test_two_packages_of_one_name_stand_in_the_way(found):
    entries = {"opentelemetry_instrumentor": [OURS, ("otel_stream", "elsewhere:Other")]}

    ((level, text, _),) = found("entry point", entries=entries)

    assert (level, "elsewhere:Other" in text) == ("problem", True)


@pytest.mark.parametrize(
    ("env", "how"), [({}, "'enrich'"), ({"OTEL_STREAM_FOREIGN_SPANS": "skip"}, "'skip'")]
)
def test_other_instrumentations_of_the_same_calls_are_named(found, env, how):
    others = [OURS, ("openai_v2", "a:B"), ("flask", "c:D"), ("anthropic", "e:F")]

    ((level, text, _),) = found("others", env=env, entries={"opentelemetry_instrumentor": others})

    assert (level, text) == (
        "note", f"anthropic, openai_v2: instrument the same calls; their spans are treated by {how}",
    )  # fmt: skip


def test_extras_that_are_missing_are_told_with_their_cure(found):
    assert found("extras", missing=("h11", "brotli")) == [
        ("note", "live no, tui yes, compression no, demo yes", "pip install 'otel-stream[live,compression]'")
    ]
