"""An environment for each peer, made once and kept in .cache/peers until its requirements change."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.registry import ROOT, Peer

CACHE = ROOT / ".cache" / "peers"


class InstallError(RuntimeError):
    """A peer could not be installed; the message is the installer's last line."""


def python(peer: Peer) -> Path:
    """Return the Python of the peer's environment, which is made first if need be; says what it installs.

    Raises: InstallError when that fails; the others can be measured all the same.
    """
    folder = CACHE / peer.name
    wanted = hashlib.sha256("\n".join((sys.version, *peer.requirements)).encode()).hexdigest()
    mark = folder / ".ready"
    if not mark.exists() or mark.read_text() != wanted:
        print(f"installing {', '.join(peer.requirements)} into {folder.relative_to(ROOT)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        _install(folder, peer.requirements)
        mark.write_text(wanted)
    return folder / "bin" / "python"


def _install(folder: Path, requirements: tuple[str, ...]) -> None:
    words = [word for requirement in requirements for word in shlex.split(requirement)]
    # uv, since pip gives up on OpenLIT's dependencies.
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError((done.stderr.strip().splitlines() or ["uv failed"])[-1])
