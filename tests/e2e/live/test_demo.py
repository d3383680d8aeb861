"""The demo at a real terminal: its screen, its addresses, and books that balance however it is left."""

from __future__ import annotations

import re

import pytest
from e2e.live_gateways import COMMAND, FREE_PORTS, screen_environment
from e2e.processes import answers, until
from e2e.terminal import Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]


def demo(*words, size=(140, 34)):
    return Terminal(
        [COMMAND, "demo", *FREE_PORTS, "--rate", "5", *words], env=screen_environment(), size=size
    )


def closing_rows(screen):
    """The sums of the closing table: of the events, and of /metrics."""
    assert screen.code() == 0, screen.history()
    found = dict(re.findall(r"^(all streams|/metrics) +(\d.*)$", screen.history(), re.MULTILINE))
    return found["all streams"].split(), found["/metrics"].split()


def opened(screen):
    """Wait until the screen shows streams that ended; return the addresses it names."""
    picture = screen.shows(
        lambda text: re.search(r" [1-9]\d* ended ", text) and "page http" in text, "ended streams"
    )
    return dict(re.findall(r"(metrics|gateway|page) (http://\S+)", picture))


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_the_screen_opens_and_whoever_leaves_it_gets_the_books(key):
    with demo() as screen:
        addresses = opened(screen)
        picture = screen.picture()
        there = [answers(addresses["metrics"]), answers(f"{addresses['gateway']}/healthz")]
        there.append(answers(addresses["page"]))

        screen.press(key)
        seen, counted = closing_rows(screen)

    assert there == [True, True, True]
    assert re.search(r"\d+ in flight .*\n.* ended  \$[\d.]+ .*tokens  \d+ errors  \d+ cancelled", picture)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 sends them to a collector" in picture
    assert seen == counted
    assert int(seen[0]) > 0
    assert not answers(addresses["metrics"])


def test_when_the_time_is_over_the_terminal_is_given_back():
    with demo("--duration", "3", "--speed", "4", size=(80, 24)) as screen:
        opened(screen)
        seen, counted = closing_rows(screen)
        left = screen.picture()

    assert seen == counted
    assert " in flight " not in left


def test_a_terminal_that_is_closed_leaves_nothing_running():
    with demo() as screen:
        addresses = opened(screen)
    until(lambda: not answers(addresses["metrics"]), "the gateway is gone")
    until(lambda: not answers(f"{addresses['gateway']}/healthz"), "and listens no more")
