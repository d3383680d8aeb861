"""What models and callers write never reaches the terminal as anything but text, seen from the terminal."""

from __future__ import annotations

import pytest
from e2e.live_gateways import COMMAND, screen_environment
from e2e.terminal import Terminal
from publishing import Publisher

from otel_stream.config import Settings
from otel_stream.live.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]

CLIPBOARD = "\x1b]52;c;c3RvbGVu\x07"
HOSTILE = f"{CLIPBOARD}\x1b]0;owned\x07\x1b[2J\x1b[31;1H\x9b2J\u202eright\rleft [red]markup[/] end of it"


@pytest.fixture
def hostile(tmp_path):
    """A gateway whose model and caller have written escapes everywhere; gives its folder."""
    publisher = Publisher()
    place = tmp_path / "live"
    server = serve(publisher.processor, Settings(live="unix", live_path=str(place), live_text=True))
    stream = publisher.open("req_00000001", f"gpt{HOSTILE}", agent_type=f"agent{HOSTILE}", tenant=HOSTILE)
    yield place, lambda: publisher.say(stream, HOSTILE)
    server.close()


@pytest.mark.parametrize("words", [["top"], ["tail", "--text"]], ids=["top", "tail"])
def test_escapes_are_shown_and_not_obeyed(hostile, words):
    place, say = hostile
    command = [COMMAND, *words, "--folder", place]
    with Terminal(command, env=screen_environment()) as terminal:
        terminal.shows(lambda text: "gpt·" in text, "the stream")
        say()
        picture = terminal.shows(lambda text: "[red]markup[/] end of it" in text, "what it says")
        stolen, title = terminal.clipboard(), terminal.title()

    assert "·]52;c;c3RvbGVu··]0;owned··[2J" in picture
    assert stolen == ""
    assert "owned" not in title
