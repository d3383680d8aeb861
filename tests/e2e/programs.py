"""Programs of the machine that some e2e tests need; installed with apt-get where that is possible."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest


@functools.cache
def program(package, *names):
    """Return the path of the program, by any of its names; installs the package if there is none."""
    if not (found := _find(names)) and os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-q", *words], env=env, check=False, stdout=subprocess.DEVNULL)
        found = _find(names)
    if not found:
        pytest.fail(f"{names[0]} is needed: apt-get install {package}")
    return found


def _find(names):
    return next((path for name in names if (path := shutil.which(name))), None)
