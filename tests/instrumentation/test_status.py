from __future__ import annotations

import json
import os
import sys

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from uvicorn.config import Config
from watching import watching

from otel_stream import _guard, runtime
from otel_stream.instrumentation import HOOKS
from otel_stream.instrumentation import status as module
from otel_stream.instrumentation.status import decode, describe, encode
from otel_stream.meaning import CallFacts


def taps(told):
    return {tap.module: tap for tap in told.taps}


def test_a_process_that_is_not_instrumented_says_so():
    told = describe(HOOKS)

    assert (told.pid, told.instrumented, told.requests, told.metrics) == (os.getpid(), False, 0, "off")
    assert {(tap.state, tap.reason) for tap in told.taps} == {
        ("off", "nothing is instrumented in this process")
    }


def test_each_tap_is_told_with_its_library():
    with watching(disabled_taps=("flask",)):
        found = taps(describe(HOOKS))

    assert (found["httpx2"].state, found["httpx2"].version) == ("installed", httpx2.__version__)
    assert (Config.__module__, found["uvicorn.config"].library, found["uvicorn.config"].loaded) == (
        "uvicorn.config", "uvicorn", True,
    )  # fmt: skip
    assert (found["flask"].state, found["flask"].reason) == ("off", "OTEL_STREAM_DISABLED_TAPS names it")


def test_a_library_that_is_not_installed_has_no_version():
    assert module.installed("no-such-library") == ""


def test_libraries_no_tap_knows_are_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycurl", object())

    assert describe(HOOKS).uncovered == ("pycurl",)


def test_settings_that_are_not_at_their_default_are_told():
    with watching(stall_seconds=5, metric_labels=("agent",)):
        told = describe(HOOKS).settings

    assert told == {
        "OTEL_STREAM_STALL_SECONDS": "5", "OTEL_STREAM_METRIC_LABELS": "agent",
        "OTEL_STREAM_PROMETHEUS": "false",
    }  # fmt: skip


def test_streams_and_errors_are_counted():
    with watching() as watched:
        first = watched.runtime.open_stream(CallFacts("openai", "chat", "gpt-4o", "openai_chat"))
        watched.runtime.open_stream(CallFacts("openai", "chat", "gpt-4o", "openai_chat"))
        first.end("eof")
        _guard.skipped("a stage of this test")
        told = describe(HOOKS)

    assert (told.streams, told.in_flight, told.errors["a stage of this test"]) == (2, 1, 1)


def test_where_the_counters_are_is_told(monkeypatch):
    with watching(prometheus=True, prometheus_port=0, registry=CollectorRegistry()):
        served = describe(HOOKS)
        endpoint = runtime.current().metrics.endpoint
        server, endpoint.server = endpoint.server, None
        failed = describe(HOOKS)
        monkeypatch.setattr(type(endpoint), "is_shared", True)
        shared = describe(HOOKS)
        endpoint.server = server

    assert (served.metrics, failed.metrics, shared.metrics) == ("served", "failed", "shared")
    assert served.metrics_url == server.url


@pytest.mark.parametrize("more", ["", '"later": 1, '])
def test_it_is_json_that_may_grow(more):
    told = describe(HOOKS)
    text = encode(told).decode()

    assert decode(("{" + more + text[1:]).encode()) == told
    assert json.loads(text)["instrumented"] is False
