from __future__ import annotations

import sys

import msgspec
import pytest

from otel_stream.doctor import child


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported under the returned name."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write(text):
        names.append(f"module_{len(names)}_{tmp_path.name.replace('-', '_')}")
        (tmp_path / f"{names[-1]}.py").write_text(text)
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_what_can_be_imported_is_well(module):
    name = module("class app: router = 1")

    assert [child.load(text) for text in (name, f"{name}:app", f"{name}:app.router")] == ["", "", ""]


@pytest.mark.parametrize(
    ("text", "attribute", "why"),
    [
        ("1 / 0", "", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('usage')", "", "SystemExit: usage"),
        ("", ":app", "has no attribute 'app'"),
    ],
)
def test_what_cannot_be_imported_says_why(module, text, attribute, why):
    assert child.load(module(text) + attribute).endswith(why)


def test_ctrl_c_ends_it(module):
    with pytest.raises(KeyboardInterrupt):
        child.load(module("raise KeyboardInterrupt"))


def test_every_library_of_the_table_that_is_installed_is_known(monkeypatch):
    monkeypatch.setattr(child, "find_spec", lambda name: None if name == "flask" else name)
    known = child.known()

    assert {"httpx", "aiohttp", "uvicorn.config", "django.core.handlers.asgi"} <= set(known)
    assert "flask" not in known


def test_the_report_has_the_state_and_what_failed(module, tmp_path):
    child.main([str(tmp_path / "report"), module(""), "no_such_module"])

    report = msgspec.json.decode((tmp_path / "report").read_bytes(), type=child.Report)
    assert report.failed == {"no_such_module": "ModuleNotFoundError: No module named 'no_such_module'"}
    assert (report.status.instrumented, {tap.state for tap in report.status.taps}) == (False, {"off"})
