from __future__ import annotations

import argparse

import pytest

from otel_stream.cli import main
from otel_stream.demo import command
from otel_stream.demo.launch import Options


@pytest.fixture
def ran(monkeypatch):
    """The options demos were run with; nothing is started."""
    options = []

    class Demo:
        def __init__(self, given):
            options.append(given)

        def main(self):
            return 0

    monkeypatch.setattr(command, "Demo", Demo)
    return options


def test_without_options_the_defaults_count(ran):
    assert main(["demo"]) == 0
    assert ran == [Options()]


def test_every_option_is_passed_on(ran):
    words = "demo --duration 5 --rate 3 --seed 9 --plain --speed 2 --spans s.json --gateway-port 1"

    main([*words.split(), "--provider-port", "2", "--page-port", "4", "--metrics-port", "3"])

    assert ran == [
        Options(
            duration_seconds=5, rate=3, seed=9, plain=True, speed=2, spans="s.json",
            gateway_port=1, provider_port=2, page_port=4, metrics_port=3,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf"])
def test_only_positive_numbers_are_durations_and_rates(ran, text, capsys):
    with pytest.raises(SystemExit):
        main(["demo", f"--rate={text}"])
    assert f"must be more than 0; got {text}" in capsys.readouterr().err


def test_what_is_no_number_is_refused():
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.arguments(parser)

    with pytest.raises(argparse.ArgumentError):
        parser.parse_args(["--duration", "soon"])
