from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from publishing import Publisher

from otel_stream import cli
from otel_stream.cli import Subcommand, main
from otel_stream.config import Settings
from otel_stream.live.server import serve


@pytest.fixture
def hello(monkeypatch):
    """A subcommand that keeps what it was told and returns 7."""
    told = []

    def run(options):
        told.append(options)
        return 7

    module = SimpleNamespace(arguments=lambda parser: parser.add_argument("--name", default="you"), run=run)
    monkeypatch.setitem(sys.modules, "hello_command", module)
    monkeypatch.setitem(cli.SUBCOMMANDS, "hello", Subcommand("hello_command", "says hello"))
    module.told = told
    return module


def test_a_subcommand_gets_its_options_and_gives_the_exit_code(hello):
    assert main(["hello", "--name", "me"]) == 7
    assert hello.told[0].name == "me"


def test_the_words_of_the_shell_are_read_by_default(hello, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["otel-stream", "hello"])

    assert main() == 7
    assert hello.told[0].name == "you"


def test_ctrl_c_is_no_traceback(hello):
    def run(options):
        raise KeyboardInterrupt

    hello.run = run

    assert main(["hello"]) == 130


def test_help_lists_the_subcommands(hello, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--help"])

    assert exit.value.code == 0
    out = capsys.readouterr().out
    assert re.search(r"hello +says hello", out)
    assert re.search(r"demo +a provider", out)


def test_without_a_word_there_is_help_and_a_failure(capsys):
    assert main([]) == 2
    assert "subcommands:" in capsys.readouterr().out


def test_a_word_that_is_no_subcommand_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["demmo"])

    assert exit.value.code == 2
    assert "demo" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"otel-stream {version('otel-stream')}\n"


def test_a_missing_extra_names_its_cure(monkeypatch, capsys):
    row = Subcommand("nowhere", "x", extra="tui", needs="no_such_module")
    monkeypatch.setitem(cli.SUBCOMMANDS, "watch", row)

    assert main(["watch"]) == 1
    assert capsys.readouterr().err == (
        "otel-stream watch needs no_such_module: pip install 'otel-stream[tui]'\n"
    )


@pytest.mark.parametrize("name", list(cli.SUBCOMMANDS))
def test_every_subcommand_can_be_called_for_help(name, capsys):
    with pytest.raises(SystemExit) as exit:
        main([name, "--help"])

    assert exit.value.code == 0
    assert f"otel-stream {name}" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["top --once", "top --once --json", "tail --once", "tail --json --once"])
def test_a_reader_that_has_enough_is_a_good_end(words, tmp_path):
    publisher = Publisher()
    settings = Settings(live="unix", live_path=str(tmp_path / "live"))
    server = serve(publisher.processor, settings)
    for number in range(2000):  # more than a pipe holds
        publisher.open(f"req_{number}")
    command = [sys.executable, "-m", "otel_stream.cli", *words.split(), "--folder", settings.live_path]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(100)
            process.stdout.close()
            complaint = process.stderr.read()
    finally:
        server.close()

    assert (process.returncode, complaint) == (0, b"")
