"""`otel-stream doctor` asked about gateways that run, and about starts of gateways people use."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from e2e import environments, gateway
from e2e.live_gateways import COMMAND, Gateway
from e2e.processes import NO_EXPORT, environment, provider, until
from e2e.test_litellm import CONFIG

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]


def doctor(*words, command=COMMAND, **env):
    """Return the exit code and what the doctor says, as data."""
    done = subprocess.run(
        [command, "doctor", "--json", *map(str, words)],
        env=environment(**NO_EXPORT, **env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)["sections"]


def states(section):
    return {tap["module"]: tap["state"] for tap in section["status"]["taps"]}


def problems(section):
    return [f["subject"] for f in section["findings"] if f["level"] == "problem"]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with provider(tmp_path_factory.mktemp("provider")) as up:
        yield up


def test_each_worker_says_what_is_hooked_and_what_went_by(tmp_path, upstream):
    place = tmp_path / "live"
    with Gateway(tmp_path, "watched", place, upstream, workers=2) as watched:
        for key in ("one", "two", "three"):
            watched.ask(key, "whole").result()
        sections = until(lambda: _counted(place, 3), "three streams in the workers")
        named = doctor("--pid", sections[0]["status"]["pid"], "--folder", place)

    assert all(section["status"]["instrumented"] for section in sections)
    assert {states(section)["httpx2"] for section in sections if "streams" in section["status"]} == {
        "installed"
    }
    assert [problems(section) for section in sections] == [[]] * len(sections)
    assert (named[0], named[1][0]["status"]["pid"]) == (0, sections[0]["status"]["pid"])


def _counted(place, streams):
    """What the running processes say, once so many streams are recorded."""
    _, (_, _, *sections) = doctor("--folder", place, OTEL_EXPORTER_PROMETHEUS_PORT="0")
    return sections if sum(s["status"].get("streams", 0) for s in sections) == streams else None


def test_a_gateway_without_the_live_endpoint_is_seen_from_outside(tmp_path, upstream):
    with Gateway(tmp_path, "closed", tmp_path / "live", upstream, workers=1, live="off") as closed:
        _, (section,) = doctor("--pid", closed._process.pid)

    found = {f["subject"]: (f["level"], f["text"]) for f in section["findings"]}
    assert found["start"] == ("ok", "with opentelemetry-instrument")
    assert found["live feed"] == ("note", "its live endpoint is off, so its hooks cannot be asked for")


def test_a_start_of_litellm_is_rehearsed():
    litellm = environments.get("litellm")
    code, (_, start) = doctor(
        "--import", "litellm.proxy.proxy_server",
        command=litellm.bin("otel-stream"), OTEL_EXPORTER_PROMETHEUS_PORT="0",
        PATH=f"{Path(litellm.bin('python')).parent}:/usr/bin:/bin", LITELLM_LOCAL_MODEL_COST_MAP="True",
    )  # fmt: skip

    assert (code, problems(start)) == (0, [])
    wanted = ("httpx", "aiohttp", "starlette.applications")
    assert {name: states(start)[name] for name in wanted} == dict.fromkeys(wanted, "installed")


def test_the_litellm_proxy_says_what_is_hooked_in_it(tmp_path):
    litellm = environments.get("litellm")
    command = [
        litellm.bin("opentelemetry-instrument"), "--", litellm.bin("litellm"),
        "--config", "{folder}/config.yaml", "--host", "127.0.0.1", "--port", "{port}",
    ]  # fmt: skip
    env = {
        "OTEL_STREAM_LIVE": "unix", "OTEL_STREAM_LIVE_PATH": "{folder}/live",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }  # fmt: skip
    files = {"config.yaml": CONFIG}
    with gateway.running(tmp_path, command, "/health/liveliness", env=env, files=files):
        _, (_, _, section) = doctor("--folder", tmp_path / "live", OTEL_EXPORTER_PROMETHEUS_PORT="0")

    assert problems(section) == []
    wanted = ("httpx", "aiohttp", "starlette.applications", "uvicorn.config")
    assert {name: states(section)[name] for name in wanted} == dict.fromkeys(wanted, "installed")
