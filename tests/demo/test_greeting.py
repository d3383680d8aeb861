from __future__ import annotations

import pytest

from otel_stream.demo import greeting
from otel_stream.demo.launch import Addresses, Options
from otel_stream.live.rendezvous import Address, Target

AT = Addresses(8400, 8401, 8402, 9464)
LIVE = [Target("4711", address=Address("http://127.0.0.1:8402/", "secret"))]
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}


@pytest.fixture(autouse=True)
def no_collector(monkeypatch):
    for name in COLLECTOR:
        monkeypatch.delenv(name, raising=False)


def test_people_are_told_which_addresses_to_open():
    assert greeting.addresses_to_open(Options(), AT, LIVE) == [
        "gateway   http://127.0.0.1:8400/v1/chat/completions and /v1/messages",
        "metrics   http://127.0.0.1:9464/metrics",
        "page      http://127.0.0.1:8402/#token=secret",
        (
            "spans     nowhere; OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 sends them to a collector,"
            " --spans FILE to a file"
        ),
        "provider  http://127.0.0.1:8401/ledger says what it sent",
    ]


def test_a_page_that_is_not_served_is_told():
    assert "page      not served" in greeting.addresses_to_open(Options(), AT, [])


def test_the_screen_has_the_same_in_few_words():
    assert greeting.notes_for_the_screen(Options(), AT, LIVE) == [
        "metrics http://127.0.0.1:9464/metrics",
        "gateway http://127.0.0.1:8400",
        "page http://127.0.0.1:8402/#token=secret",
        "spans nowhere; OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 sends them to a collector",
    ]


def test_ports_that_were_taken_are_told_first_and_the_way_out_last():
    busy = "port 9464 is in use, so metrics is on port 4"

    told = greeting.greeting(Options(), [busy], ["metrics there"])

    assert told == [busy, "", greeting.WHAT, "  metrics there", "Ctrl-C ends it.", ""]
    assert "Ctrl-C ends it." not in greeting.greeting(Options(duration_seconds=3), [], [])


@pytest.mark.parametrize(
    ("options", "env", "said"),
    [
        ({}, {}, "nowhere; OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 sends"),
        ({"spans": "-"}, {}, "here"),
        ({"spans": "s.json"}, {}, "to s.json"),
        ({}, COLLECTOR, "to http://collector:4317 (OTEL_EXPORTER_OTLP_ENDPOINT)"),
        ({}, {**COLLECTOR, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t"}, "to http://t (OTEL_EXPORTER"),
    ],
)  # fmt: skip
def test_people_are_told_where_spans_go(options, env, said):
    assert greeting.where_spans_go(Options(**options), env).startswith(said)
