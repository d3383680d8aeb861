"""The environments of the e2e tests: one for each set of packages that cannot live in one with the others.

Made under .cache/e2e at first use, with this tree's otel-stream in them, and used again as long as what they
are made from is the same. docs/gateways.md names these versions.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "requirements"))

import compat  # noqa: E402 - beside what it reads, not in a package

FOLDER = ROOT / ".cache" / "e2e"

PACKAGES: dict[str, tuple[str, ...]] = {
    "sdks": (
        "openai[aiohttp]==3.54.0",
        "anthropic==2.12.0",
        "google-genai==3.4.0",
        "mistralai==3.7.0",
        "cohere==7.3.1",
        "groq==1.7.0",
        "ollama==0.6.3",
        "boto3==1.44.5",
        "requests==2.34.2",
        "httpx==0.28.1",
        "httpx2==2.16.2",
        "aiohttp==3.14.5",
    ),
    # Never 1.107.*, which does not work, and 1.82.7 and 1.82.8, which were compromised.
    "litellm": ("litellm[proxy]==1.106.0",),
    # What of `pip install mlflow[gateway]` starts the gateway; all of it is 1 GB.
    "mlflow": (
        "mlflow-skinny[gateway]==3.17.2",
        "aiohttp==3.14.5",
        "gunicorn==27.0.1",
        "numpy==2.4.6",
    ),
    "any-llm": ("any-llm-sdk[gateway]==1.14.0",),
    "lm-proxy": ("lm-proxy==3.3.2",),
    "optillm": ("optillm==0.4.0",),
    "handwritten": (
        "fastapi==0.165.0",
        "uvicorn==0.54.0",
        "openai[aiohttp]==3.54.0",
        "httpx2==2.16.2",
        "aiohttp==3.14.5",
        "flask==3.1.2",
    ),
}
"""Environment → what is installed beside otel-stream. Exact, so that the table in the docs is true."""

LEFT_OUT: dict[str, tuple[str, ...]] = {
    # Local inference and plugins, 6 GB with CUDA; without them it starts and serves other people's models.
    "optillm": (
        "adaptive-classifier", "azure-identity", "beautifulsoup4", "bitsandbytes", "datasets",
        "google-cloud-aiplatform", "gradio", "ipykernel", "ipython", "litellm", "lxml", "mcp", "nbconvert",
        "nbformat", "outlines", "peft", "presidio-analyzer", "presidio-anonymizer", "scikit-learn",
        "selenium", "sentencepiece", "spacy", "tiktoken", "torch", "transformers", "webdriver-manager",
    ),
}  # fmt: skip
"""Environment → what its packages ask for and the tests have no use for."""


NEWER_PYTHON: dict[str, tuple[str, ...]] = {"litellm": ("3.12", "3.13")}
"""Environment → Pythons one of which it gets, if there is one here and ours is older.

LiteLLM's finalizers set contextvars, which now and then crashes Python up to 3.11 (docs/gateways.md).
"""


class Environment(NamedTuple):
    name: str
    folder: Path

    def bin(self, program: str) -> str:
        return str(self.folder / "bin" / program)


@functools.cache
def get(name: str) -> Environment:
    """Return the environment, made if need be."""
    environment = Environment(name, FOLDER / name)
    stamp = environment.folder / "made-from.json"
    python = _python(name)
    wanted = json.dumps([python, sys.version, PACKAGES[name], LEFT_OUT.get(name), _own_requirements()])
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        began = time.monotonic()
        _make(environment, python)
        stamp.write_text(wanted, "utf-8")
        print(f"installed the e2e environment {name!r} in {time.monotonic() - began:.0f} s")  # noqa: T201
    return environment


def _python(name: str) -> str:
    """Return the Python that the environment is made with: ours, where nothing speaks against it."""
    newer = NEWER_PYTHON.get(name, ())
    if not newer or sys.version_info >= tuple(map(int, newer[0].split("."))):
        return sys.executable
    return next(filter(None, map(compat.interpreter, newer)), sys.executable)


def _make(environment: Environment, python: str) -> None:
    shutil.rmtree(environment.folder, ignore_errors=True)
    _uv("venv", "--python", python, str(environment.folder))
    never = environment.folder / "left-out.txt"
    names = LEFT_OUT.get(environment.name, ())
    never.write_text("".join(f"{name} ; python_version < '0'\n" for name in names), "utf-8")
    _uv(
        "pip", "install", "--compile-bytecode", "--python", environment.bin("python"),
        "--overrides", str(never), "--editable", str(ROOT), *PACKAGES[environment.name],
    )  # fmt: skip


def _uv(*words: str) -> None:
    """Run uv, which installs in seconds what takes pip a minute; it stands in the group `test`."""
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("uv")), "--quiet", *words],
        env=env,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(words)} failed:\n{done.stderr}")


def _own_requirements() -> str:
    """What this project itself wants installed: a change of it makes the environments anew."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
