"""The instrumentor: what `opentelemetry-instrument` starts, and what is left when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import httpx
import pytest
from starlette.applications import Starlette

from otel_stream import runtime
from otel_stream.config import SettingError
from otel_stream.instrumentation import HOOKS, StreamInstrumentor


@pytest.fixture
def instrumentor():
    yield StreamInstrumentor()
    if StreamInstrumentor().is_instrumented_by_opentelemetry:
        StreamInstrumentor().uninstrument()


def hooked():
    return [
        hasattr(httpx.Client._send_single_request, "__wrapped__"),
        hasattr(Starlette.__call__, "__wrapped__"),
    ]


def test_it_is_found_by_its_entry_point():
    (found,) = entry_points(group="opentelemetry_instrumentor", name="otel_stream")

    assert found.load() is StreamInstrumentor


def test_instrumenting_starts_and_uninstrumenting_leaves_nothing(instrumentor):
    instrumentor.instrument(prometheus=False)
    during = (hooked(), runtime.current() is not None, {state.state for state in HOOKS.states()})
    instrumentor.uninstrument()

    assert during[:2] == ([True, True], True)
    assert during[2] <= {"installed", "waiting"}
    assert (hooked(), runtime.current(), {state.state for state in HOOKS.states()}) == (
        [False, False], None, {"off"},
    )  # fmt: skip


def test_twice_is_a_no_op(instrumentor):
    instrumentor.instrument(prometheus=False)
    first = runtime.current()
    instrumentor.instrument(prometheus=False)
    second = runtime.current()
    instrumentor.uninstrument()
    instrumentor.uninstrument()

    assert (first is second, hooked()) == (True, [False, False])


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"capture_content": "yes"}, SettingError, "NO_CONTENT.*got 'yes'"),
        ({"colour": "red"}, TypeError, "there is no setting 'colour'"),
    ],
)
def test_a_wrong_setting_is_told_and_nothing_is_started(instrumentor, settings, error, words):
    with pytest.raises(error, match=words):
        instrumentor.instrument(**settings)

    assert (hooked(), runtime.current()) == ([False, False], None)


def test_hooks_that_cannot_go_in_leave_nothing_running(instrumentor, monkeypatch):
    def broken(**_):
        raise RuntimeError("import system")

    monkeypatch.setattr(HOOKS, "install", broken)
    with pytest.raises(RuntimeError, match="import system"):
        instrumentor.instrument(prometheus=False)

    assert (runtime.current(), instrumentor.is_instrumented_by_opentelemetry) == (None, False)


def test_a_disabled_sdk_turns_everything_off(instrumentor, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    instrumentor.instrument()

    assert (hooked(), runtime.current()) == ([False, False], None)


def test_taps_are_switched_off_by_name(instrumentor):
    instrumentor.instrument(prometheus=False, disabled_taps=("httpx",))

    assert hooked() == [False, True]


def test_importing_it_imports_no_client_and_no_framework():
    """`genai-prices` brings httpx2 along; it is loaded by the runtime, not by the import."""
    code = "import sys, otel_stream.instrumentation; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"httpx", "httpx2", "httpxyz", "aiohttp", "urllib3", "starlette", "flask", "uvicorn"} & set(
        loaded.split()
    )
