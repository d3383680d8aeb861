from __future__ import annotations

import io
import json

import pytest
from recorded import BODY, REQUEST, URL, entry, har

from otel_stream.cli import main
from otel_stream.events import decode


@pytest.fixture
def file(tmp_path):
    def write(data, name="response"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


def test_a_report_of_an_archive_with_its_price(file, capsys):
    code = main(["inspect", file(har(entry(), entry(b"<html>", url="https://example.com/", method="GET")))])
    told = capsys.readouterr().out

    assert code == 0
    assert "model         gpt-4o → gpt-4o-2024-08-06" in told
    assert "cost          $0.0000425 (price_table)" in told
    assert "GET https://example.com/ → 200\n  no LLM call: left alone" in told


def test_events_as_lines_of_json(file, capsys):
    request = file(json.dumps(REQUEST).encode(), "request")

    main(["inspect", file(BODY), "--json", "--url", URL, "--request", request])
    events = [decode(line) for line in capsys.readouterr().out.splitlines()]

    assert [type(event).__name__ for event in events] == ["Started", "TextDelta", "Completed"]
    assert events[0].model == "gpt-4o"


def test_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BODY)))

    assert main(["inspect", "-"]) == 0
    assert "outcome       completed" in capsys.readouterr().out


def test_without_an_llm_call_it_fails(file, capsys):
    assert main(["inspect", file(b"<html>")]) == 1
    assert "no LLM call" in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"HTTP/1.1 200", None])
def test_a_file_that_cannot_be_read_is_explained(file, data, capsys):
    path = "/no/such/file" if data is None else file(data)

    assert main(["inspect", path]) == 1
    assert capsys.readouterr().err
