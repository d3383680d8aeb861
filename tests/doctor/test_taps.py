from __future__ import annotations

import pytest

from otel_stream.doctor import taps
from otel_stream.instrumentation.status import Status, TapStatus

NOTHING = "nothing has gone out through a library that is watched"


def status(*rows, **more):
    given = {"tracing": "TracerProvider", "instrumented": True, "metrics": "served", **more}
    return Status(pid=1, python="3.11", executable="/bin/python", version="1", taps=rows, **given)


def tap(state, reason="", version="1.2", module="httpx"):
    return TapStatus("httpx", module, state, reason, module.partition(".")[0], version)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (tap("installed"), ("ok", "httpx", "httpx 1.2 is watched")),
        (
            tap("installed", module="uvicorn.config"),
            ("ok", "httpx", "uvicorn 1.2 (uvicorn.config) is watched"),
        ),
        (tap("off", "it is off"), ("note", "httpx", "httpx 1.2 is not watched: it is off")),
        (tap("too old", "2 is needed"), ("problem", "httpx", "httpx 1.2 is not watched: 2 is needed")),
        (tap("failed", "no send"), ("problem", "httpx", "httpx 1.2 is not watched: no send")),
        (tap("waiting"), ("note", "waiting", "httpx 1.2: not imported yet, and watched from then on")),
        (tap("waiting", version=""), ("note", "not installed", "httpx")),
    ],
)
def test_each_library_is_told_with_its_reason(row, expected):
    found = taps.findings(status(row))[0]

    assert (found.level, found.subject, found.text) == expected


@pytest.mark.parametrize(
    ("state", "cure"),
    [("too old", "pip install --upgrade httpx"), ("failed", "pip install --upgrade otel-stream")],
)
def test_a_library_that_cannot_be_watched_has_a_cure(state, cure):
    assert taps.findings(status(tap(state)))[0].cure.startswith(cure)


def test_libraries_past_every_tap_are_told():
    found = taps.findings(status(uncovered=("pycurl",)))[0]

    assert (found.level, found.text) == ("note", "pycurl: calls through these are seen by no tap")


@pytest.mark.parametrize(
    ("tracing", "level"),
    [("TracerProvider", "ok"), ("ProxyTracerProvider", "problem"), ("NoOpTracerProvider", "problem")],
)
def test_without_an_sdk_spans_go_nowhere(tracing, level):
    assert taps.findings(status(tracing=tracing))[-1].level == level


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {"streams": 3, "requests": 5, "in_flight": 1},
            ("ok", "3 recorded, 1 in flight, 5 requests went by"),
        ),
        (
            {"requests": 5},
            ("note", "0 recorded, 0 in flight, 5 requests went by: none was an LLM call we know"),
        ),
        (
            {},
            ("note", f"0 recorded, 0 in flight, 0 requests went by: {NOTHING}"),
        ),
    ],
)
def test_what_went_by_is_told(counts, expected):
    found = taps.traffic(status(**counts))[0]

    assert (found.level, found.text) == expected


@pytest.mark.parametrize(
    ("metrics", "level"), [("served", "ok"), ("shared", "ok"), ("off", "note"), ("failed", "problem")]
)
def test_where_the_counters_are_is_told(metrics, level):
    assert taps.traffic(status(metrics=metrics))[1].level == level


def test_errors_of_ours_and_settings_are_told():
    found = taps.traffic(status(errors={"sink": 2}, settings={"OTEL_STREAM_LIVE": "unix"}))[2:]

    assert [(f.level, f.text) for f in found] == [
        ("note", "sink: 2 times; the gateway's streams are unaffected"), ("ok", "OTEL_STREAM_LIVE=unix"),
    ]  # fmt: skip


def test_of_a_process_that_is_not_instrumented_there_is_nothing_to_say():
    other = status(tap("off"), instrumented=False)

    assert (taps.findings(other), taps.traffic(other)) == ([], [])
