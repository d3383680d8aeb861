from __future__ import annotations

import pytest

from otel_stream import config
from otel_stream.config import SettingError, Settings


def test_without_a_variable_every_setting_has_its_default():
    assert Settings.from_env({}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("OTEL_SDK_DISABLED", "true", "disabled", True),
        ("OTEL_STREAM_PROMETHEUS", "Off", "prometheus", False),
        ("OTEL_STREAM_PROMETHEUS", "0", "prometheus", False),
        ("OTEL_STREAM_CANCEL_IS_ERROR", "yes", "cancel_is_error", True),
        ("OTEL_STREAM_SEMCONV", "V1.41", "semconv", "v1.41"),
        ("OTEL_STREAM_EVENTS", " log ", "events", "log"),
        ("OTEL_STREAM_METRIC_LABELS", "Agent, tenant,", "metric_labels", ("agent", "tenant")),
        ("OTEL_STREAM_DISABLED_TAPS", " flask ,,urllib3", "disabled_taps", ("flask", "urllib3")),
        ("OTEL_STREAM_STALL_SECONDS", "0.5", "stall_seconds", 0.5),
        ("OTEL_STREAM_CAPACITY", "5000", "capacity", 5000),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0", "prometheus_port", 0),
        ("OTEL_STREAM_PRICES", " /etc/prices.json ", "prices", "/etc/prices.json"),
    ],
)
def test_a_variable_is_read_in_the_type_of_its_setting(variable, text, name, value):
    assert getattr(Settings.from_env({variable: text}), name) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("span_and_event", "SPAN_AND_EVENT"), ("true", "SPAN_AND_EVENT"), ("False", "NO_CONTENT")],
)
def test_content_capture_understands_what_older_instrumentations_did(text, value):
    env = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": text}

    assert Settings.from_env(env).capture_content == value


def test_an_empty_variable_counts_as_not_set():
    assert Settings.from_env({"OTEL_STREAM_CAPACITY": " "}) == Settings()


WRONG = [
    ("OTEL_SDK_DISABLED", "maybe", "OTEL_SDK_DISABLED must be true or false; got 'maybe'"),
    ("OTEL_STREAM_EVENTS", "all", "OTEL_STREAM_EVENTS must be one of span, log, both, none; got 'all'"),
    ("OTEL_STREAM_CAPACITY", "0", "OTEL_STREAM_CAPACITY must be a whole number from 1 to 16777216; got '0'"),
    ("OTEL_STREAM_CAPACITY", "many", "got 'many'"),
    ("OTEL_STREAM_CAPACITY", "1e3", "got '1e3'"),
    ("OTEL_STREAM_STALL_SECONDS", "soon", "must be seconds from 0.1 to 3600; got 'soon'"),
    ("OTEL_STREAM_STALL_SECONDS", "nan", "got 'nan'"),
    ("OTEL_STREAM_STALL_SECONDS", "inf", "got 'inf'"),
    ("OTEL_STREAM_METRIC_LABELS", "agent,colour", "list of agent, tenant; got 'agent,colour'"),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", "65536", "from 0 to 65535; got '65536'"),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "text", "message"), WRONG)
def test_a_wrong_value_is_refused_and_the_message_shows_both_sides(variable, text, message):
    with pytest.raises(SettingError) as refused:
        Settings.from_env({variable: text})

    assert message in str(refused.value)


def test_what_is_given_in_code_wins_over_the_environment():
    env = {"OTEL_STREAM_CAPACITY": "5", "OTEL_STREAM_EVENTS": "nonsense"}

    settings = Settings.from_env(env, capacity=7, events="both")

    assert (settings.capacity, settings.events) == (7, "both")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prometheus", False),
        ("stall_seconds", 2.5),
        ("metric_labels", ("agent",)),
        ("metric_labels", ()),
        ("live_path", ""),
        ("prices", "/etc/prices.json"),
    ],
)
def test_what_is_given_in_code_may_have_the_settings_own_type(name, value):
    assert getattr(Settings.from_env({}, **{name: value}), name) == value


def test_a_list_in_code_becomes_what_the_environment_would_give():
    assert Settings.from_env({}, disabled_taps=["flask"]).disabled_taps == ("flask",)


def test_a_wrong_value_in_code_is_refused_by_its_name_in_code():
    with pytest.raises(SettingError, match=r"^capacity must be a whole number from 1 to 16777216; got '0'$"):
        Settings.from_env({}, capacity=0)


def test_a_setting_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(TypeError, match=r"no setting 'capactiy'; there are disabled, .*capacity"):
        Settings.from_env({}, capactiy=5)


def test_the_process_environment_is_read_by_default(monkeypatch):
    monkeypatch.setenv("OTEL_STREAM_CAPACITY", "77")
    monkeypatch.setenv("OTEL_STREAM_CAPCITY", "78")

    assert Settings.from_env().capacity == 77
    assert "OTEL_STREAM_CAPCITY" in config.unknown_variables()


def test_misspelt_variables_are_found():
    env = {"OTEL_STREAM_CAPCITY": "5", "OTEL_STREAM_CAPACITY": "5", "OTEL_SERVICE_NAME": "gateway"}

    assert config.unknown_variables(env) == ("OTEL_STREAM_CAPCITY",)


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Settings().capacity = 5


def test_the_table_has_a_row_for_every_setting():
    rows = config.table()

    assert tuple(row.name for row in rows) == config.setting_names()
    assert len({row.env for row in rows}) == len(rows)
    assert all(row.env.startswith("OTEL_") and row.about and row.allowed for row in rows)


@pytest.mark.parametrize("row", config.table(), ids=lambda row: row.name)
def test_every_default_is_a_value_that_could_have_been_set(row):
    given = Settings.from_env({row.env: row.default} if row.default else {})

    assert given == Settings()


def test_defaults_are_shown_as_they_would_be_written():
    shown = {row.name: row.default for row in config.table()}

    assert (shown["prometheus"], shown["stall_seconds"], shown["metric_labels"], shown["capacity"]) == (
        "true", "10", "", "1000",
    )  # fmt: skip
