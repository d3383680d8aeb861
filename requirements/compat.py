"""`make compat`: the tests with the lowest allowed and the newest versions, on each Python this machine has.

    python requirements/compat.py [--python 3.10] [--resolution lowest-direct] [-- PYTEST ARGUMENTS]

Environments are kept in .cache/compat. Each run is bounded; the last table says what ran, and what is absent.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "compat"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.14t")
RESOLUTIONS = ("lowest-direct", "highest")
MAX_SECONDS = 1200  # of one run of the tests
PARTS = (
    "tests/framing", "tests/wire", "tests/pricing", "tests/broadcaster", "tests/processor", "tests/spans",
    "tests/metrics", "tests/instrumentation", "tests/gateway", "tests/test_runtime.py",
    "tests/test_recorder.py",
)  # fmt: skip
"""What touches the libraries whose versions are in question."""


def interpreter(version: str) -> str | None:
    """Return the Python of this version, if it is there and runs."""
    candidates = [shutil.which(f"python{version}") or ""]
    candidates += sorted(str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return next((path for path in reversed(candidates) if path and _runs(path, version)), None)


def _runs(path: str, version: str) -> bool:
    told = "import sys; print('%d.%d' % sys.version_info[:2] + ('t' if 't' in sys.abiflags else ''))"
    done = subprocess.run([path, "-c", told], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def install(python: str, name: str, resolution: str) -> Path:
    """Return the Python of an environment with all extras and the test group at this resolution."""
    folder = CACHE / name
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", python, str(folder)], check=True)
    wanted = ["-e", ".[compression,live,tui,demo]", "--group", "test"]
    made = folder / "bin" / "python"
    options = ["--python", str(made), "--resolution", resolution]
    subprocess.run([*uv, "pip", "install", "-q", *options, *wanted], cwd=ROOT, check=True)
    return made


def check(version: str, resolution: str, arguments: list[str]) -> str:
    """Return what became of one combination, in words."""
    python = interpreter(version)
    if python is None:
        return "absent"
    print(f"== Python {version}, {resolution} ...", flush=True)
    try:
        made = install(python, f"{version}-{resolution}", resolution)
    except subprocess.CalledProcessError:
        return "cannot be installed"
    command = [str(made), "-m", "pytest", "-q", "--no-header", *(arguments or PARTS)]
    try:
        done = subprocess.run(command, cwd=ROOT, env=_quiet(), timeout=MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {MAX_SECONDS} s"
    return "passed" if done.returncode == 0 else "failed"


def _quiet() -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat.py")
    parser.add_argument("--python", action="append", choices=PYTHONS)
    parser.add_argument("--resolution", action="append", choices=RESOLUTIONS)
    parser.add_argument("arguments", nargs="*", help="for pytest")
    options = parser.parse_args()
    found = {
        (version, resolution): check(version, resolution, options.arguments)
        for version in options.python or PYTHONS
        for resolution in options.resolution or RESOLUTIONS
    }
    for (version, resolution), result in found.items():
        print(f"Python {version:5} {resolution:14} {result}")
    return int(any(result not in ("passed", "absent") for result in found.values()))


if __name__ == "__main__":
    sys.exit(main())
