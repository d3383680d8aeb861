"""The oldest versions that are allowed on the oldest Python here, the newest on the newest.

`make compat` in short. Each run installs into an environment of its own below .cache/compat, some 0.3 GB.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "requirements"))

import compat  # noqa: E402 - beside what it reads, not in a package

HERE = [version for version in compat.PYTHONS if compat.interpreter(version)]
PARTS = ("tests/instrumentation", "tests/spans", "tests/metrics", "tests/gateway", "tests/test_runtime.py")
"""What touches other people's libraries."""
FIXED_ORDER = ("-p", "no:randomly")  # the versions are in question here, the order is in `make test`

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("version", "resolution"), [(HERE[0], "lowest-direct"), (HERE[-1], "highest")])
def test_what_touches_other_libraries_passes(version, resolution):
    command = [
        "requirements/compat.py",
        "--python",
        version,
        "--resolution",
        resolution,
        "--",
        *FIXED_ORDER,
        *PARTS,
    ]

    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1].split() == ["Python", version, resolution, "passed"], done.stdout[
        -5000:
    ]
