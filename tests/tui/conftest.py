"""Gateways of the tests' own, in a folder of the tests' own."""

from __future__ import annotations

import argparse

import pytest
from publishing import Publisher

from otel_stream.config import Settings
from otel_stream.live.server import serve


class Serving(Publisher):
    """A publisher that can be watched, closed, and started again."""

    def __init__(self, place, **settings):
        super().__init__()
        self._settings = Settings(**{"live": "unix", "live_path": str(place), "live_text": True, **settings})
        self.server = serve(self.processor, self._settings)
        self.key = self.server.path.stem

    def close(self):
        self.server.close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def serving(place):
    started = []

    def start(**settings):
        started.append(Serving(place, **settings))
        return started[-1]

    yield start
    for gateway in started:
        gateway.close()


@pytest.fixture
def options(place):
    """Parse the words of a subcommand's line, with the folder of the test."""

    def parse(subcommand, *words):
        parser = argparse.ArgumentParser()
        subcommand.arguments(parser)
        return parser.parse_args([*words, "--folder", str(place)])

    return parse
