"""The shape of the tree: every module has its tests, and imports run one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "otel_stream"
TESTS = ROOT / "tests"


def expected_tests(module: Path) -> list[str]:
    """Where the tests of a module may stand: test_<module>.py, or test_<module>_<part>.py beside it."""
    inside = module.relative_to(PACKAGE)
    if module.name == "__init__.py":
        folder, name = inside.parent.parent, inside.parent.name or "public_api"
        return [str(folder / f"test_{name}*.py"), str(inside.parent / "test_*.py")]
    name = module.stem.strip("_")
    return [str(inside.parent / f"test_{name}.py"), str(inside.parent / f"test_{name}_*.py")]


def has_code(module: Path) -> bool:
    """Whether the module does anything but import and name things."""
    plain = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign, ast.AnnAssign)
    return not all(isinstance(node, plain) for node in ast.parse(module.read_text("utf-8")).body)


def test_each_module_has_its_test_file():
    modules = [path for path in sorted(PACKAGE.rglob("*.py")) if has_code(path)]

    missing = [
        f"{module.relative_to(ROOT)} has no tests/{expected_tests(module)[0]}"
        for module in modules
        if not any(any(TESTS.glob(pattern)) for pattern in expected_tests(module))
    ]

    assert not missing, "\n".join(missing)


def test_imports_run_one_way():
    """The contracts of pyproject.toml, as in `make lint`."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]

    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert linted.returncode == 0, linted.stdout + linted.stderr
