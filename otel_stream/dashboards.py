"""The subcommand `otel-stream dashboards`: writes boards, rules and configurations out of the package."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGED = Path(__file__).with_name("_dashboards")  # in a wheel
IN_THE_SOURCE = Path(__file__).parents[1] / "dashboards"

ASSETS = (
    "overview.json", "cost.json", "streams.json", "rules", "prometheus.yml", "alertmanager.yml",
    "provisioning", "collector/otelcol.yaml", "collector/ocb.yaml", "collector/run", "tempo.yaml",
    "compose.yaml", "runbook.md",
)  # fmt: skip
"""What is written; the wheel carries just these (pyproject.toml)."""

RULES = Path("rules/llm_stream.rules.yml")
BUDGET = "vector(3000)"
RUNBOOK = "https://example.com/otel-stream/runbook.md"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write; made when it is missing")
    parser.add_argument("--budget", type=_dollars, metavar="USD", help="dollars that 30 days may cost (3000)")
    parser.add_argument("--runbook", metavar="URL", help="where alerts say the runbook is")
    parser.add_argument("--force", action="store_true", help="write over files that are there")


def run(options: argparse.Namespace) -> int:
    """Write the files; 1 when some are there already and may not be written over."""
    there = [name for name in assets() if (options.folder / name).exists()]
    if there and not options.force:
        print(f"{options.folder} has {there[0]} already; --force writes over it", file=sys.stderr)
        return 1
    try:
        write(options.folder)
        _set(options.folder / RULES, options.budget, options.runbook)
    except OSError as error:
        print(f"cannot write to {options.folder}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {len(list(assets()))} files to {options.folder}; how to use them: docs/metrics.md")
    return 0


def assets() -> Iterator[str]:
    """Yield the paths of all files, as they will stand in the folder."""
    for name in ASSETS:
        source = source_of(name)
        if source.is_dir():
            for file in sorted(source.rglob("*")):
                if file.is_file():
                    yield str(Path(name) / file.relative_to(source))
        else:
            yield name


def source_of(name: str) -> Path:
    """Return where an asset is: inside the installed package, or in the source tree."""
    if PACKAGED.is_dir():
        return PACKAGED / name
    if name == "runbook.md":
        return IN_THE_SOURCE.parent / "docs" / name
    return IN_THE_SOURCE / name


def write(folder: Path) -> None:
    """Copy all files into the folder.

    Raises: OSError when it cannot be written to.
    """
    for name in assets():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source_of(name), target)


def _set(rules: Path, budget: float | None, runbook: str | None) -> None:
    text = rules.read_text("utf-8")
    if budget is not None:
        text = text.replace(BUDGET, f"vector({budget})")
    if runbook:
        text = text.replace(f"runbook_url: {RUNBOOK}", f"runbook_url: {runbook}")
    rules.write_text(text, "utf-8")


def _dollars(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0; got {text}")
    return value
