"""Ports and collectors, on loopback."""

from __future__ import annotations

import socket

import pytest
from prometheus_client import CollectorRegistry, Counter

from otel_stream.config import Settings
from otel_stream.demo.processes import free_port
from otel_stream.doctor import network
from otel_stream.metrics.exposition import serve


@pytest.fixture
def taken():
    """A port somebody has who never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(network, "PROBE_SECONDS", 0.2)


def metrics(env=None, **given):
    return [(f.level, f.text) for f in network.metrics(Settings(**given), env or {})]


@pytest.mark.parametrize("port", [0, None])
def test_a_free_port_is_well(port):
    port = free_port(0) if port is None else port
    told = f"127.0.0.1:{port} is free" if port else "a free port of 127.0.0.1; the log says which"

    assert metrics(prometheus_port=port)[0] == ("ok", told)


def test_a_port_of_somebody_else_stands_in_the_way(taken):
    assert metrics(prometheus_port=taken)[0] == (
        "problem", f"cannot be served at 127.0.0.1:{taken}: Address already in use",
    )  # fmt: skip


def test_a_port_on_which_we_serve_already_is_told():
    registry = CollectorRegistry()
    Counter("llm_stream_things", "Things.", registry=registry)
    server = serve(registry, "127.0.0.1", 0)
    try:
        ((level, text), _) = metrics(prometheus_port=server.port)
    finally:
        server.close()

    assert (level, text) == (
        "note",
        f"a gateway that is watched serves it at 127.0.0.1:{server.port} already",
    )


def test_an_address_of_another_machine_stands_in_the_way():
    assert metrics(prometheus_host="192.0.2.1", prometheus_port=9)[0][0] == "problem"


def test_counters_that_are_off_are_told():
    assert metrics(prometheus=False) == [("note", "is switched off by OTEL_STREAM_PROMETHEUS")]


def test_where_workers_count_is_told(tmp_path):
    (tmp_path / "file").touch()

    def workers(folder):
        return metrics({"PROMETHEUS_MULTIPROC_DIR": folder} if folder else {}, prometheus_port=0)[1][0]

    assert [workers(f) for f in ("", str(tmp_path), str(tmp_path / "new"), str(tmp_path / "file"))] == [
        "note", "ok", "ok", "problem",
    ]  # fmt: skip


# -- the collector -------------------------------------------------------------------------------------

NONE = {f"OTEL_{signal}_EXPORTER": "none" for signal in network.SIGNALS}


def collector(**env):
    return [(f.level, f.text) for f in network.collector(env)]


def test_without_exporters_nobody_is_looked_for():
    assert collector(**NONE) == [("note", f"{name}=none") for name in NONE]


def test_a_collector_is_looked_for_once_for_all_signals(taken):
    assert collector(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{taken}") == [
        ("ok", f"127.0.0.1:{taken} for traces, metrics, logs")
    ]


def test_signals_may_go_to_different_places(taken):
    found = collector(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"127.0.0.1:{taken}",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"http://127.0.0.1:{free_port(0)}/v1/metrics",
        OTEL_LOGS_EXPORTER="console",
    )

    assert [level for level, _ in found] == ["note", "ok", "problem"]
    assert "for metrics: Connection refused" in found[-1][1]


def test_a_password_in_the_address_is_not_told():
    found = collector(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://me:s3cret@127.0.0.1:{free_port(0)}")
    broken = collector(OTEL_EXPORTER_OTLP_ENDPOINT="http://me:s3cret@host:s3cret")

    assert {level for level, _ in found + broken} == {"problem"}
    assert "s3cret" not in str(found + broken)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, ("localhost", 4317)),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ("localhost", 4318)),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, ("localhost", 4318)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example"}, ("otlp.example", 443)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:55680"}, ("collector", 55680)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://collector"}, ("collector", 4317)),
    ],
)
def test_where_spans_are_sent(env, expected):
    assert network._address("TRACES", env) == expected


@pytest.mark.parametrize("text", ["http://", "http://host:port"])
def test_what_is_no_address_stands_in_the_way(text):
    assert {level for level, _ in collector(OTEL_EXPORTER_OTLP_ENDPOINT=text)} == {"problem"}
