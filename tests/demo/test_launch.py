from __future__ import annotations

import socket
import sys
from pathlib import Path

from otel_stream.demo import launch
from otel_stream.demo.launch import Addresses, Options

AT = Addresses(8400, 8401, 8402, 9464)
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}


def test_free_ports_are_taken_as_wanted_and_nothing_is_said():
    options = Options(gateway_port=0, provider_port=0, page_port=0, metrics_port=0)

    at, notes = launch.addresses(options)

    assert len({at.gateway, at.provider, at.page, at.metrics}) == 4
    assert notes == []


def test_a_busy_port_is_replaced_and_said_so():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = busy.getsockname()[1]

        at, notes = launch.addresses(
            Options(gateway_port=0, provider_port=0, page_port=0, metrics_port=taken)
        )

    assert notes == [f"port {taken} is in use, so metrics is on port {at.metrics}"]
    assert at.metrics_url == f"http://127.0.0.1:{at.metrics}/metrics"


def test_the_provider_is_told_port_seed_and_speed():
    command = launch.provider_command(Options(seed=3, speed=2.5), AT)

    assert command == [
        sys.executable, "-m", "otel_stream.demo.provider", "--port", "8401", "--seed", "3", "--speed", "2.5",
    ]  # fmt: skip


def test_the_gateway_is_started_with_nothing_but_a_prefix():
    command = launch.gateway_command(AT)

    assert Path(command[0]).name == "opentelemetry-instrument"
    assert command[1:6] == ["--", sys.executable, "-m", "uvicorn", "gateway_app:app"]
    assert command[-2:] == ["--port", "8400"]


def environment(env, **options):
    return launch.gateway_environment(Options(**options), AT, Path("/run/demo"), env)


def test_without_a_collector_nothing_tries_to_reach_one():
    env = environment({"PATH": "/bin"})

    assert (env["OTEL_TRACES_EXPORTER"], env["OTEL_METRICS_EXPORTER"], env["OTEL_LOGS_EXPORTER"]) == (
        "none", "none", "none",
    )  # fmt: skip
    assert env["PATH"] == "/bin"


def test_a_collector_that_is_named_gets_everything():
    env = environment(COLLECTOR)

    assert "OTEL_TRACES_EXPORTER" not in env
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4317"


def test_spans_can_be_written_out():
    assert environment({}, spans="spans.json")["OTEL_TRACES_EXPORTER"] == "console"


def test_the_users_own_settings_are_kept_but_for_what_the_demo_is_made_of():
    mine = {"OTEL_SERVICE_NAME": "mine", "OTEL_STREAM_SEMCONV": "latest", "OPENAI_BASE_URL": "https://real"}

    env = environment(mine)

    assert (env["OTEL_SERVICE_NAME"], env["OTEL_STREAM_SEMCONV"]) == ("mine", "latest")
    assert env["OPENAI_BASE_URL"] == env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8401"
    assert env["OTEL_EXPORTER_PROMETHEUS_PORT"] == "9464"
    assert env["OTEL_STREAM_LIVE"] == "tcp"
    assert env["OTEL_STREAM_LIVE_PORT"] == "8402"
    assert env["OTEL_STREAM_TAIL"] == "/run/demo/events.sock"


def test_the_screen_watches_the_demos_gateway_alone():
    command = launch.screen_command(Path("/run/demo"), ["metrics here", "page"])

    assert command[2:] == [
        "otel_stream.cli", "top", "--folder", "/run/demo/live", "--note", "metrics here", "--note", "page",
    ]  # fmt: skip
