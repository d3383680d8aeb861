"""`otel-stream dashboards`: all files, out of the source tree and out of an installed wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from otel_stream import dashboards
from otel_stream.cli import main

ROOT = Path(__file__).parents[1]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_everything_is_written(tmp_path, capsys):
    assert main(["dashboards", str(tmp_path / "stack")]) == 0

    written = files(tmp_path / "stack")
    assert written == sorted(dashboards.assets())
    assert {"overview.json", "rules/llm_stream.rules.yml", "collector/run", "runbook.md"} <= set(written)
    assert (tmp_path / "stack" / "collector" / "run").stat().st_mode & 0o100
    assert f"wrote {len(written)} files" in capsys.readouterr().out


def test_nothing_is_written_over_unless_told(tmp_path, capsys):
    (tmp_path / "prometheus.yml").write_text("mine")
    refused = main(["dashboards", str(tmp_path)])
    kept = (tmp_path / "prometheus.yml").read_text()
    forced = main(["dashboards", str(tmp_path), "--force"])

    assert (refused, kept, forced) == (1, "mine", 0)
    assert "has prometheus.yml already; --force" in capsys.readouterr().err
    assert (tmp_path / "prometheus.yml").read_text() != "mine"


def test_budget_and_runbook_are_set_in_the_rules(tmp_path):
    main(["dashboards", str(tmp_path), "--budget", "12500.5", "--runbook", "https://wiki/llm"])

    rules = (tmp_path / dashboards.RULES).read_text()
    assert "expr: vector(12500.5)" in rules
    assert "runbook_url: https://wiki/llm#llmcostburst" in rules
    assert f"runbook_url: {dashboards.RUNBOOK}" not in rules


@pytest.mark.parametrize("budget", ["0", "-1", "inf", "nan", "much"])
def test_a_budget_is_more_than_nothing(tmp_path, budget):
    with pytest.raises(SystemExit):
        main(["dashboards", str(tmp_path), "--budget", budget])


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, capsys):
    (tmp_path / "file").touch()

    assert main(["dashboards", str(tmp_path / "file" / "below")]) == 1
    assert "cannot write to" in capsys.readouterr().err


def test_in_a_wheel_everything_lies_in_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(dashboards, "PACKAGED", tmp_path)

    assert dashboards.source_of("runbook.md") == tmp_path / "runbook.md"


def test_an_installed_wheel_writes_the_same(tmp_path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
    program += "from otel_stream.cli import main; main()"

    subprocess.run(
        [sys.executable, "-c", program, "dashboards", str(tmp_path / "stack")], check=True, cwd=tmp_path
    )

    main(["dashboards", str(tmp_path / "here")])
    assert files(tmp_path / "stack") == files(tmp_path / "here")
    for name in files(tmp_path / "here"):
        assert (tmp_path / "stack" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
