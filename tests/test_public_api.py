"""What a user imports, and what that costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import otel_stream

HEAVY = (
    "textual",
    "rich",
    "httpx",
    "httpx2",
    "starlette",
    "fastapi",
    "pydantic",
    "aiohttp",
    "uvicorn",
    "grpc",
)


def modules_after(statement: str) -> set[str]:
    """Return what a fresh interpreter has loaded after the statement."""
    program = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_every_public_name_is_there():
    public = otel_stream.__all__

    assert [name for name in public if not hasattr(otel_stream, name)] == []
    assert sorted(set(public)) == sorted(public) == sorted(otel_stream._HOME_OF)
    assert set(public) <= set(dir(otel_stream))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'telepathy'"):
        otel_stream.telepathy  # noqa: B018 - the attribute is what is tested


def test_importing_the_package_loads_no_client_server_or_screen():
    """They are hundreds of milliseconds, and a gateway may use none of them."""
    assert modules_after("import otel_stream") & set(HEAVY) == set()


def test_the_command_line_starts_without_what_its_subcommands_need():
    assert modules_after("import otel_stream.cli") & set(HEAVY) == set()


def test_tracebacks_and_documentation_name_public_paths():
    for name in getattr(otel_stream, "__all__", []):
        module = getattr(getattr(otel_stream, name), "__module__", "otel_stream")
        assert "._" not in module, f"otel_stream.{name} says it comes from {module}"
