"""`/metrics` over HTTP: formats, a port that is taken, and a clean end."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest
import workers
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Summary,
    generate_latest,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_text

from otel_stream.meaning import Usage
from otel_stream.metrics import exposition
from otel_stream.metrics.exposition import serve
from otel_stream.recorder import Trace

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    Counter("hits", "Hits.", ["page"], registry=registry).labels("home").inc(3)
    return registry


@pytest.fixture
def server(registry):
    server = serve(registry, "127.0.0.1", 0)
    yield server
    server.close()


def get(server, path="/metrics", **headers) -> tuple[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.headers["Content-Type"], body


def test_metrics_are_served_at_the_url(server):
    content_type, body = get(server)

    assert server.url == f"http://127.0.0.1:{server.port}/metrics"
    assert content_type.startswith("text/plain")
    assert 'hits_total{page="home"} 3.0' in body
    assert list(plain_text(body))


def test_a_scraper_that_asks_for_openmetrics_gets_exemplars(metered):
    stream = metered.open(trace=Trace("a" * 32, "b" * 16, sampled=True))
    metered.finish(stream, Usage(input_tokens=1, output_tokens=1))
    server = serve(metered.registry, "127.0.0.1", 0)

    content_type, body = get(server, Accept=OPENMETRICS)
    server.close()

    assert content_type.startswith("application/openmetrics-text")
    found = [
        sample.exemplar.labels
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if sample.exemplar
    ]
    assert found == [{"trace_id": "a" * 32, "span_id": "b" * 16}]


def test_a_scrape_may_ask_for_some_metrics_only(metered):
    metered.open().end("eof")
    server = serve(metered.registry, "127.0.0.1", 0)
    _, body = get(server, "/metrics?name[]=llm_stream_in_flight")
    server.close()

    assert {family.name for family in plain_text(body)} == {"llm_stream_in_flight"}


def test_a_port_already_taken_is_an_error_of_the_system(server, registry):
    with pytest.raises(OSError, match="in use"):
        serve(registry, "127.0.0.1", server.port)


def test_closing_frees_the_port_and_ends_the_thread(registry):
    server = serve(registry, "127.0.0.1", 0)
    port = server.port
    server.close()
    server.close()
    again = serve(registry, "127.0.0.1", port)
    again.close()

    assert again.port == port
    assert not [thread for thread in threading.enumerate() if thread.name == "otel_stream-metrics"]


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]"), ("localhost", None)]
)
def test_the_url_can_be_opened_on_this_machine(registry, host, shown):
    if ":" in host and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        server = serve(registry, host, 0)
    except OSError:
        pytest.skip("this machine has no IPv6 address")
    url = server.url
    server.close()

    assert shown is None or url == f"http://{shown}:{server.port}/metrics"


def test_a_scraper_that_goes_away_leaves_no_traceback(server, capfd):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    server.close()

    assert capfd.readouterr() == ("", "")


def test_an_error_in_a_request_is_counted_and_not_printed(capfd):
    exposition._HTTPServer.handle_error(None, None, None)

    assert capfd.readouterr() == ("", "")


def test_in_multi_process_mode_all_processes_are_served(tmp_path, monkeypatch, registry):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for pid in (11, 22):
        workers.write(pid, "counter", 3)
    server = serve(registry, "127.0.0.1", 0)
    _, body = get(server)
    server.close()

    assert 'hits_total{page="home"} 6.0' in body


class Custom:
    """A collector of somebody else's own making."""

    def collect(self):
        yield GaugeMetricFamily("own", "Somebody's own.", 7)


def busy(target_info=None):
    registry = CollectorRegistry(target_info=target_info)
    registry.register(Custom())
    hits = Counter("hits", "Hits.", ["page"], registry=registry)
    times = Histogram("times", "Times.", ["page"], registry=registry)
    Gauge("open", "Open.", registry=registry).set(2)
    Summary("size", "Sizes.", registry=registry).observe(3)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    for page in range(300):
        hits.labels(page).inc(page, {"trace_id": "abc"})
        times.labels(page).observe(page / 100)
    return registry


@pytest.mark.parametrize("target_info", [None, {"service": "gateway"}])
@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_what_is_written_one_by_one_is_what_prometheus_client_writes(accept, target_info, monkeypatch):
    monkeypatch.setattr(exposition, "BREATH_SECONDS", 0)
    registry = busy(target_info)
    encode, _ = choose_encoder(accept)

    assert encode(exposition._OneByOne(registry)) == encode(registry)


def test_samples_are_made_when_they_are_written():
    made = [family.samples for family in exposition._OneByOne(busy()).collect()]

    assert [type(samples).__name__ for samples in made] == ["list", *["_Samples"] * 5]


def test_a_scrape_lets_others_have_the_interpreter(monkeypatch):
    registry, breaths = busy(), []
    sizes = [len(family.samples) for family in registry.collect()]
    monkeypatch.setattr(exposition.time, "sleep", breaths.append)

    generate_latest(exposition._OneByOne(registry))

    assert len(breaths) == sum(size // exposition.BREATH_SAMPLES for size in sizes) > 20
