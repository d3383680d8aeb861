from __future__ import annotations

import pytest

from otel_stream.doctor import settings


def told(env):
    return [(f.level, f.text) for f in settings.findings(env)]


def test_what_is_set_is_told_and_nothing_else():
    env = {
        "OTEL_STREAM_EVENTS": "log",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer s3cret",
        "HOME": "/",
    }

    assert told(env) == [("ok", "OTEL_STREAM_EVENTS=log")]


def test_an_environment_without_settings_is_well():
    assert told({}) == [("ok", "all at their defaults (docs/configuration.md)")]


def test_every_wrong_value_is_told_with_those_allowed():
    env = {"OTEL_STREAM_EVENTS": "yes", "OTEL_STREAM_CAPACITY": "many", "OTEL_STREAM_LIVE": "unix"}

    assert told(env) == [
        ("problem", "OTEL_STREAM_EVENTS must be one of span, log, both, none; got 'yes'"),
        ("problem", "OTEL_STREAM_CAPACITY must be a whole number from 1 to 16777216; got 'many'"),
        ("ok", "OTEL_STREAM_LIVE=unix"),
    ]


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("OTEL_STREAM_CAPCITY", "did you mean OTEL_STREAM_CAPACITY?"),
        ("OTEL_STREAM_QQQQQQQQQQQQQQ", "docs/configuration.md has those there are"),
    ],
)
def test_a_misspelt_variable_is_told(name, cure):
    found = settings.findings({name: "5"})[-1]

    assert (found.level, found.text, found.cure) == (
        "problem", f"{name} is no setting, it changes nothing", cure,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "is true: nothing is recorded"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask, otel_stream"}, "names 'otel_stream'"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, "names '*'"),
        ({"OTEL_STREAM_DISABLED_TAPS": "httpx,flsk"}, "names 'flsk', which is no tap"),
    ],
)
def test_what_switches_us_off_or_does_nothing_stands_in_the_way(env, words):
    level, text = told(env)[-1]

    assert (level, words in text) == ("problem", True)


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_SDK_DISABLED": "false"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask"},
        {"OTEL_STREAM_DISABLED_TAPS": "httpx"},
        {"OTEL_STREAM_LIVE": "tcp"},
    ],
)
def test_what_leaves_us_on_is_well(env):
    assert {level for level, _ in told(env)} == {"ok"}


def test_a_live_feed_without_its_extra_stands_in_the_way(monkeypatch):
    monkeypatch.setattr(settings, "find_spec", lambda name: None)

    assert told({"OTEL_STREAM_LIVE": "unix"})[-1] == (
        "problem", "OTEL_STREAM_LIVE is unix, and the endpoint needs h11",
    )  # fmt: skip


def test_text_that_is_let_out_and_kept_in_is_told():
    level, _ = told({"OTEL_STREAM_LIVE_TEXT": "true", "OTEL_STREAM_TEXT": "false"})[-1]

    assert level == "note"
