"""What is installed with us, what we ship, and that it can be made again."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = [ROOT / "requirements" / name for name in ("run.txt", "dev.txt")]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "requirements" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def audit():
    return load("audit")


def direct():
    """What pyproject.toml asks for, by name; an extra of ours may ask for others of ours."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    groups += [project["dependency-groups"][name] for name in ("test", "lint")]
    wanted = [Requirement(line) for group in groups for line in group if isinstance(line, str)]
    return [one for one in wanted if one.name != project["project"]["name"]]


def test_everything_that_is_asked_for_is_locked(audit):
    found = audit.pins(LOCKS[1].read_text())

    assert [str(one) for one in direct() if one.name.lower().replace("_", "-") not in found] == []


def test_what_is_locked_is_what_is_allowed(audit):
    found = audit.pins(LOCKS[1].read_text())
    wanted = [(one, found[one.name.lower().replace("_", "-")]) for one in direct() if one.marker is None]

    assert [str(one) for one, pin in wanted if not one.specifier.contains(pin, prereleases=True)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_locked_package_has_hashes(lock):
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text())

    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_locked_release_is_forbidden(audit, lock):
    assert audit.forbidden(audit.pins(lock.read_text())) == []


@pytest.mark.parametrize("release", ["1.82.7", "1.82.8", "1.107.0", "1.107.3.post1"])
def test_releases_published_by_attackers_are_found(audit, release):
    assert audit.forbidden({"litellm": release}) == [f"litellm=={release}"]
    assert audit.forbidden({"litellm": "1.106.0", "other": release}) == []


def test_what_could_not_be_looked_up_did_not_pass(audit):
    skipped = "Dependency not found on PyPI and could not be audited: x (1)\n"

    assert audit.verdict(0, skipped * 3 + "No known vulnerabilities found", 3)[1].endswith("NOT checked")
    assert "1 could not be looked up" in audit.verdict(0, skipped + "No known vulnerabilities found", 3)[1]
    assert audit.verdict(1, "Found 1 known vulnerability", 3) == (True, "Found 1 known vulnerability")
    assert audit.verdict(1, "requests.exceptions.ConnectionError", 3)[0] is False


def test_users_install_few_packages(audit):
    """Each of them is somebody's release that may be taken over."""
    found = audit.pins(LOCKS[0].read_text())

    assert len(found) <= 45, sorted(found)
    assert not {"textual", "fastapi", "httpx", "aiohttp", "pydantic-ai", "litellm", "openai"} & set(found)


def test_a_wheel_built_twice_is_the_same(tmp_path):
    digests = [_built(tmp_path / str(number)) for number in range(2)]

    assert digests[0] == digests[1]


def _built(folder):
    """Return name and digest of a wheel built from the tree as it is."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_only_pythons_that_are_there_are_tried():
    compat = load("compat")

    assert compat.interpreter("2.99") is None
    assert compat.interpreter(".".join(map(str, sys.version_info[:2]))) is not None
