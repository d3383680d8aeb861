"""Prometheus and Alertmanager as Debian packages them: downloaded and unpacked, not installed.

Needs `apt-get` and, on a machine whose package lists are empty, the superuser. What is unpacked is kept under
.cache/e2e, so that only the first run downloads 30 MB.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "e2e" / "debian"
PACKAGES = ("prometheus", "prometheus-alertmanager")
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")

# Debian's Alertmanager reads templates from a folder that is fixed in it. Ours is not installed, so in our
# copy of the program that name is replaced by one of the same length that means the working folder.
FIXED = b"/usr/share/prometheus/alertmanager"
HERE = b"./" * (len(FIXED) // 2)


class NotToBeHad(Exception):  # noqa: N818
    """The programs are not there and cannot be fetched; the message says why."""


def programs() -> Path:
    """Return the folder with the programs, fetching them the first time.

    Raises: NotToBeHad.
    """
    if not all((CACHE / "bin" / name).exists() for name in PROGRAMS):
        _fetch(CACHE)
    return CACHE / "bin"


def _fetch(cache: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NotToBeHad("Prometheus comes from Debian's packages, and there is no apt-get here")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        folder.chmod(0o755)  # apt-get downloads as a user of its own
        download = ("apt-get", "download", *PACKAGES)
        if _run(folder, *download):
            _run(folder, "apt-get", "update", "-qq")
            if complaint := _run(folder, *download):
                raise NotToBeHad(f"{' '.join(download)} failed: {complaint}")
        for package in folder.glob("*.deb"):
            _run(folder, "dpkg", "-x", str(package), "unpacked")
        _keep(folder / "unpacked", cache / "bin")


def _run(folder: Path, *command: str) -> str:
    """Run it; return what went wrong, nothing when it went well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""


def _keep(unpacked: Path, bin: Path) -> None:
    bin.mkdir(exist_ok=True)
    for template in (unpacked / FIXED.decode().lstrip("/")).glob("*.tmpl"):
        shutil.copy(template, bin)
    for name in PROGRAMS:
        content = (unpacked / "usr" / "bin" / name).read_bytes()
        fresh = bin / f"{name}.new"
        fresh.write_bytes(content.replace(FIXED, HERE))
        fresh.chmod(0o755)
        fresh.rename(bin / name)
