"""What docs/troubleshooting.md and the README's help tell people to type, typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import httpx2
import pytest
from documents import GATEWAY, ROOT, ask, blocks, environment, started
from serving import uvicorn_server

from otel_stream.demo.processes import free_port
from otel_stream.demo.provider import Provider

PAGE = ROOT / "docs" / "troubleshooting.md"
SCRIPTS = blocks(PAGE, "sh")
GATEWAYS = [script for script in SCRIPTS if "uvicorn" in script]
NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_bytes(GATEWAY.read_bytes())
    return tmp_path


def doctor(command, folder, **env):
    """Run a command of the docs; 4711 stands for whatever it is to be."""
    assert command.startswith("otel-stream doctor")
    env = environment(**NO_EXPORT, OTEL_STREAM_LIVE_PATH=str(folder / "live"), **env)
    done = subprocess.run(
        ["/bin/sh", "-ec", command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def commands(page, *words):
    """The doctor's commands in a page's blocks, those with these words."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("otel-stream doctor") and all(w in line for w in words)]


def test_every_block_is_run_by_a_test_of_this_file():
    others = [script for script in SCRIPTS if script not in GATEWAYS]

    assert [re.sub(r" .*", "", script.strip()) for script in others] == [
        "otel-stream", "otel-stream", "otel-stream", "opentelemetry-instrument",
    ]  # fmt: skip
    assert commands(PAGE) == commands(ROOT / "README.md")


@pytest.mark.parametrize(
    "command",
    [line for line in commands(PAGE) if "--pid" not in line],
    ids=lambda line: line.split("doctor")[1],
)
def test_the_doctor_finds_an_application_well(command, folder):
    code, out = doctor(command, folder, OTEL_EXPORTER_PROMETHEUS_PORT=str(free_port(0)))

    assert (code, out.splitlines()[-1]) == (0, "nothing stands in the way")
    assert "httpx2" in out
    assert "is watched" in out


@pytest.fixture
def provider():
    with uvicorn_server(Provider(speed=1000).app) as port:
        yield f"http://127.0.0.1:{port}"


def counted(port):
    """Whether a page with a completed call is there by now: of several workers one has to take the port."""
    try:
        page = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx2.TransportError:
        return False
    return bool(re.search(r'^llm_stream_requests_total\{.*outcome="completed".*\} 1\.0$', page, re.MULTILINE))


@pytest.mark.parametrize("script", GATEWAYS, ids=range(len(GATEWAYS)))
def test_a_gateway_started_as_a_cure_says_is_counted(script, provider, folder):
    port, metrics = free_port(0), free_port(0)
    script = script.replace("9465", str(metrics))
    env = {
        **NO_EXPORT, "OPENAI_BASE_URL": provider, "UVICORN_PORT": str(port),
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics), "TMPDIR": str(folder),
    }  # fmt: skip

    with started(script, folder, **env) as process:
        assert next(line for line in process.stderr if b"startup complete" in line)
        answer = ask(port)
        deadline = time.monotonic() + 30
        while not counted(metrics):
            assert time.monotonic() < deadline, "never counted"
            time.sleep(0.05)

    assert answer.content.endswith(b"data: [DONE]\n\n")


@pytest.fixture
def running(folder, provider):
    """Start a gateway; gives its process id once it serves."""
    made = []

    def run(command, **env):
        port = free_port(0)
        made.append(
            subprocess.Popen(
                [*command.split(), "--port", str(port)],
                cwd=folder,
                env=environment(**NO_EXPORT, OPENAI_BASE_URL=provider, **env),
                stderr=subprocess.PIPE,
            )
        )
        assert next(line for line in made[-1].stderr if b"Uvicorn running" in line)
        return str(made[-1].pid), port

    yield run
    for process in made:
        process.send_signal(signal.SIGTERM)
        process.communicate()


INSTRUMENTED = f"{sys.executable} -m uvicorn app:app"


def launched(command):
    return f"{os.path.dirname(sys.executable)}/opentelemetry-instrument -- {command}"  # noqa: PTH120


def test_a_gateway_that_runs_says_what_is_hooked_in_it(running, folder):
    (command,) = commands(PAGE, "--pid")
    live = {"OTEL_STREAM_LIVE": "unix", "OTEL_STREAM_LIVE_PATH": str(folder / "live")}
    pid, port = running(launched(INSTRUMENTED), OTEL_EXPORTER_PROMETHEUS_PORT="0", **live)
    before = doctor(command.replace("4711", pid), folder)
    ask(port)
    after = doctor(command.replace("4711", pid), folder)

    assert (before[0], after[0]) == (0, 0)
    assert "nothing has gone out through a library that is watched" in " ".join(before[1].split())
    assert re.search(r"ok streams +1 recorded, 0 in flight, 1 requests went by", after[1])
    assert re.search(r"ok httpx +httpx2 \S+ is watched", after[1])


def test_a_gateway_that_was_started_plainly_is_told_how_to(running, folder):
    (command,) = commands(PAGE, "--pid")
    pid, _ = running(INSTRUMENTED, OTEL_EXPORTER_PROMETHEUS_PORT=str(free_port(0)))
    code, out = doctor(command.replace("4711", pid), folder)

    assert code == 1
    assert "it was not started with opentelemetry-instrument" in out
    assert "→ start it with: opentelemetry-instrument -- COMMAND" in out


def test_two_dashes_keep_the_gateways_options_its_own(tmp_path):
    (script,) = [script for script in SCRIPTS if "litellm" in script]
    litellm = tmp_path / "litellm"
    litellm.write_text('#!/bin/sh\necho "$@"\n')
    litellm.chmod(0o755)
    env = environment()
    env["PATH"] = f"{tmp_path}:{env['PATH']}"

    def run(script):
        return subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)

    assert run(script).stdout == "--config config.yaml\n"
    (heading,) = re.findall(r"^## (ambiguous option.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert heading in run(script.replace(" --", "", 1)).stderr
