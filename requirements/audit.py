"""`make audit`: no locked release may be on our list, and none may have a vulnerability that is known.

The second half asks an advisory database; where that cannot be reached it says so and counts as not done,
not as passed. Exit code 1 for a finding, 0 otherwise.
"""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).parent
LOCKS = ("run.txt", "dev.txt")
FORBIDDEN = {
    "litellm": ("1.82.7", "1.82.8", "1.107.*"),  # published by attackers
}
"""Package → releases, as shell patterns, that must never be installed."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_UNREACHABLE = re.compile(r"ConnectionError|ServiceError|Max retries|Temporary failure|HTTPError|timed out")
_SKIPPED = "could not be audited"


def pins(text: str) -> dict[str, str]:
    """Return the pinned release of each package of a lock file."""
    return {name.lower().replace("_", "-"): release for name, release in _PIN.findall(text)}


def forbidden(found: dict[str, str]) -> list[str]:
    """Return the pins that are on the list."""
    return [
        f"{name}=={release}"
        for name, release in found.items()
        if any(fnmatchcase(release, pattern) for pattern in FORBIDDEN.get(name, ()))
    ]


def advisories(lock: Path) -> tuple[int, str]:
    """Return (exit code, output) of pip-audit."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def verdict(code: int, output: str, packages: int) -> tuple[bool, str]:
    """Return (whether something is wrong, what to say): what was not looked up did not pass."""
    skipped = output.count(_SKIPPED)
    if _UNREACHABLE.search(output) or skipped >= packages:
        return False, "no advisory database could be reached: known vulnerabilities were NOT checked"
    if code:
        return True, output
    left = f"; {skipped} could not be looked up" if skipped else ""
    return False, f"no known vulnerability in {packages - skipped} packages{left}"


def main() -> int:
    failed = False
    for name in LOCKS:
        lock = HERE / name
        found = pins(lock.read_text("utf-8"))
        bad = forbidden(found)
        wrong, said = verdict(*advisories(lock), len(found))
        print(f"{name}: {len(found)} packages, {len(bad)} forbidden{': ' + ', '.join(bad) if bad else ''}")
        print(f"{name}: {said}")
        failed = failed or bool(bad) or wrong
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
