"""docs/reliability.md names the tests that keep each promise, docs/architecture.md modules: all are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROWS = [line.strip("|").split(" | ") for line in RELIABILITY.splitlines() if line.startswith("| ")]
PROMISES = {
    row[0].strip(): re.findall(r"`(tests/[^`]+)`", row[1]) for row in ROWS if row[0].strip() != "promise"
}
MODULES = sorted(set(re.findall(r"\b[a-z_]+/[a-z_]+\.py|`[a-z_]+\.py`", ARCHITECTURE)))


def functions(path):
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("promise", PROMISES)
def test_the_tests_that_keep_a_promise_are_there(promise):
    missing = []
    for named in PROMISES[promise]:
        path, _, test = named.partition("::")
        found = ROOT / path
        if not found.is_file() or (test and test not in functions(found)):
            missing.append(named)

    assert PROMISES[promise]
    assert missing == []


@pytest.mark.parametrize("module", MODULES)
def test_modules_that_are_named_are_there(module):
    name = module.strip("`")

    assert any((ROOT / folder / name).is_file() for folder in ("otel_stream", "tests", ""))


def test_the_pages_name_enough_to_be_worth_checking():
    assert len(PROMISES) > 30
    assert len(MODULES) > 15
