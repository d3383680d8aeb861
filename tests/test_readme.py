"""What the README and the docs tell people to type works, and what they link to is there."""

from __future__ import annotations

import re
import subprocess
import sys

import httpx2
import pytest
from documents import GATEWAY, ROOT, ask, blocks, started
from serving import uvicorn_server

from otel_stream.demo.processes import free_port
from otel_stream.demo.provider import Provider
from otel_stream.events import decode

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def named(pages, language):
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in pages
        for number, block in enumerate(blocks(page, language))
    ]


def test_the_two_commands_stand_first():
    assert blocks(ROOT / "README.md", "sh")[0] == "make demo\nmake test\n"


def test_every_make_target_that_is_mentioned_exists():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    mentioned = set(re.findall(r"(?:`|^)make ([a-z0-9]+)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert mentioned >= {"demo", "test"}
    assert mentioned <= targets


def test_every_link_to_a_file_leads_somewhere():
    broken = [
        f"{page.name}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if not link.startswith("http") and not (page.parent / link).exists()
    ]

    assert not broken


@pytest.mark.parametrize("program", named(PAGES, "python"))
def test_python_examples_run(program, tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize("line", blocks(ROOT / "docs" / "events.md", "json")[0].splitlines())
def test_events_that_are_shown_are_events(line):
    decode(line)


# -- the commands that start a gateway -----------------------------------------------------------------


@pytest.fixture
def provider():
    with uvicorn_server(Provider(speed=1000).app) as port:
        yield f"http://127.0.0.1:{port}"


def commands():
    """The blocks of the README that start a gateway, without the installation."""
    for block in blocks(ROOT / "README.md", "sh"):
        if "uvicorn" in block:
            yield re.sub(r"^pip install .*\n", "", block)


@pytest.mark.parametrize("script", list(commands()))
def test_a_gateway_started_as_the_readme_says_is_recorded(script, provider, tmp_path):
    (tmp_path / "app.py").write_bytes(GATEWAY.read_bytes())
    port, metrics = free_port(0), free_port(0)
    env = {
        "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
        "OPENAI_BASE_URL": provider, "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics), "UVICORN_PORT": str(port),
    }  # fmt: skip

    with started(script, tmp_path, **env) as process:
        up = next(line for line in process.stderr if b"Uvicorn running" in line)
        answer = ask(port)
        page = httpx2.get(f"http://127.0.0.1:{metrics}/metrics").text
        rest = process.stderr.readline() if "OTEL_STREAM_TAIL" in script else b""

    assert str(port) in up.decode()
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert re.search(r'^llm_stream_requests_total\{.*outcome="completed".*\} 1\.0$', page, re.MULTILINE)
    assert not rest or decode(rest).model == "gpt-4o"
