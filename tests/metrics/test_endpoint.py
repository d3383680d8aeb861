"""Who serves `/metrics`: one process of several, then the next one; by TLS where that is set."""

from __future__ import annotations

import http.client
import logging
import os
import signal
import ssl
import subprocess
import urllib.request

import pytest
import workers
from prometheus_client import CollectorRegistry

from otel_stream.config import SettingError, Settings
from otel_stream.metrics.endpoint import Endpoint, tls_context


@pytest.fixture
def make():
    made = []

    def make(port=0, **settings):
        made.append(Endpoint(CollectorRegistry(), Settings(prometheus_port=port, **settings)))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.close()


@pytest.fixture
def shared(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


def test_a_process_alone_serves(make):
    endpoint = make()

    assert urllib.request.urlopen(endpoint.server.url).status == 200
    assert not endpoint.is_shared


def test_a_port_already_taken_is_logged_once_with_the_cures_and_not_tried_again(make, caplog):
    first = make()
    port = first.server.port
    with caplog.at_level(logging.WARNING, "otel_stream"):
        second = make(port)
        first.close()
        second.look()

    assert second.server is None
    (record,) = caplog.records
    assert f"127.0.0.1:{port}" in record.getMessage()
    assert "in use" in record.getMessage()
    assert "OTEL_EXPORTER_PROMETHEUS_PORT to a free port (0 picks one)" in record.getMessage()
    assert "of several workers set PROMETHEUS_MULTIPROC_DIR" in record.getMessage()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_logged_and_not_fatal(make, caplog, host):
    with caplog.at_level(logging.WARNING, "otel_stream"):
        endpoint = make(prometheus_host=host)

    assert endpoint.server is None
    assert host in caplog.records[0].getMessage()


def test_of_several_workers_one_serves_and_the_next_takes_over_the_port(make, shared, caplog):
    first = make()
    port = first.server.port
    second = make(port)
    waiting = second.server
    first.close()
    second.look()
    again = second.server
    second.look()

    assert (waiting, again.port) == (None, port)
    assert second.server is again
    assert not caplog.records


def test_workers_tell_once_of_a_port_that_is_somebody_elses_and_go_on_trying(
    make, shared, monkeypatch, caplog
):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    stranger = make()
    port = stranger.server.port
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(shared))
    with caplog.at_level(logging.WARNING, "otel_stream"):
        worker = make(port)
        worker.look()
        stranger.close()
        worker.look()

    assert len(caplog.records) == 1
    assert worker.server.port == port


SERVE = """
import sys, os
from prometheus_client import REGISTRY
from otel_stream.config import Settings
from otel_stream.metrics.endpoint import Endpoint

endpoint = Endpoint(REGISTRY, Settings(prometheus_port=int(sys.argv[1])))
if sys.argv[2] == "fork":
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    endpoint.forked()
print(os.getppid(), endpoint.server and endpoint.server.port)
for line in sys.stdin:
    endpoint.look()
    print(endpoint.server and endpoint.server.port)
"""


def test_when_the_one_that_serves_is_killed_another_takes_over(shared, make):
    serving = workers.start(SERVE, shared, 0, "alone")
    try:
        port = int(serving.stdout.readline().split()[1])
        waiting = make(port)
        before = waiting.server
        serving.kill()
        serving.wait()
        waiting.look()

        assert (before, waiting.server.port) == (None, port)
    finally:
        workers.end(serving)


def test_a_forked_worker_takes_over_from_its_master(shared):
    """The child has copies of the master's socket and lock; it must not keep them, or nobody could serve."""
    process = workers.start(SERVE, shared, 0, "fork")
    try:
        master, served = process.stdout.readline().split()
        before = workers.tell(process, "look")
        os.kill(int(master), signal.SIGKILL)
        process.wait()

        assert (served, before) == ("None", "None")
        assert int(workers.tell(process, "look"))
        process.stdin.close()
    finally:
        workers.end(process)


def test_a_forked_child_without_a_shared_folder_tries_for_itself(make, caplog):
    endpoint = make()
    port = endpoint.server.port
    parents = endpoint.server
    endpoint._port = port
    endpoint.server = None
    with caplog.at_level(logging.WARNING, "otel_stream"):
        endpoint.forked()
        endpoint.look()
        endpoint.look()
    parents.close()

    assert len(caplog.records) == 1


# -- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", paths["key"], "-out", paths["certificate"], "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return paths


def trusting(certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates["certificate"])


def test_metrics_are_served_by_tls(make, certificates):
    endpoint = make(prometheus_certfile=certificates["certificate"], prometheus_keyfile=certificates["key"])

    assert endpoint.server.url.startswith("https://")
    with urllib.request.urlopen(endpoint.server.url, context=trusting(certificates)) as answer:
        assert answer.status == 200


def test_a_scraper_without_a_certificate_of_the_ca_is_refused(make, certificates, capfd):
    endpoint = make(
        prometheus_certfile=certificates["certificate"],
        prometheus_keyfile=certificates["key"],
        prometheus_client_ca=certificates["certificate"],
    )
    known = trusting(certificates)
    known.load_cert_chain(certificates["certificate"], certificates["key"])

    with pytest.raises((OSError, http.client.HTTPException)):
        urllib.request.urlopen(endpoint.server.url, context=trusting(certificates))
    with urllib.request.urlopen(endpoint.server.url, context=known) as answer:
        assert answer.status == 200
    assert capfd.readouterr() == ("", "")


def test_a_scraper_that_says_nothing_holds_up_no_other(make, certificates):
    endpoint = make(prometheus_certfile=certificates["certificate"], prometheus_keyfile=certificates["key"])
    silent = http.client.HTTPConnection("127.0.0.1", endpoint.server.port)
    silent.connect()

    with urllib.request.urlopen(endpoint.server.url, context=trusting(certificates)) as answer:
        assert answer.status == 200
    silent.close()


@pytest.mark.parametrize("alone", ["prometheus_keyfile", "prometheus_client_ca"])
def test_a_key_or_a_ca_alone_is_refused_at_the_start(alone):
    with pytest.raises(SettingError, match="need …_CERTFILE"):
        tls_context(Settings(**{alone: "some.pem"}))


def test_files_that_are_no_certificates_are_refused_at_the_start(tmp_path, certificates):
    (tmp_path / "cert.pem").write_text("no certificate")

    with pytest.raises(SettingError, match=r"cert\.pem.*must be PEM files that fit each other"):
        tls_context(Settings(prometheus_certfile=str(tmp_path / "cert.pem")))
    with pytest.raises(SettingError, match=r"missing\.pem"):
        tls_context(Settings(prometheus_certfile=str(tmp_path / "missing.pem")))
    with pytest.raises(SettingError, match=r"cert\.pem"):
        tls_context(
            Settings(
                prometheus_certfile=certificates["certificate"],
                prometheus_keyfile=certificates["key"],
                prometheus_client_ca=str(tmp_path / "cert.pem"),
            )
        )
