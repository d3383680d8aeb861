"""A session at a real terminal: every key is pressed when the screen shows what it is pressed for."""

from __future__ import annotations

import json
import re

import pytest
from e2e.live_gateways import COMMAND, Gateway, screen_environment
from e2e.processes import provider
from e2e.terminal import Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]

STREAMS = {"alpha": "gpt-4o", "beta": "gpt-4o-mini", "gamma": "gemini-2.5-pro"}


@pytest.fixture
def upstream(tmp_path):
    with provider(tmp_path) as upstream:
        yield upstream


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


@pytest.fixture
def gateway(tmp_path, place, upstream):
    """Three streams that are held half-way, and one that failed."""
    with Gateway(tmp_path, "shop", place, upstream, workers=1) as gateway:
        for key, model in STREAMS.items():
            gateway.ask(key, model=model)
            upstream.wait(key, "held")
        gateway.ask("delta", "fail", model="gpt-5").result()
        yield gateway


def rows(picture):
    """State and model of the table's rows, from the top."""
    return re.findall(r"^\w{8} [●!✗✓○] (\w+) +(\S+)", picture, re.MULTILINE)


def models(picture):
    return [model for _, model in rows(picture)]


def states(picture):
    return {model: state for state, model in rows(picture)}


def shown(screen, *wanted):
    screen.shows(lambda text: sorted(models(text)) == sorted(wanted), f"{wanted}")


ALL = [*STREAMS.values(), "gpt-5"]


def test_a_session_from_the_first_filter_to_the_end(place, tmp_path, gateway, upstream):
    """One session, since a gateway takes its time to start."""
    with Terminal([COMMAND, "top", "--folder", place], env=screen_environment(), folder=tmp_path) as screen:
        screen.shows(lambda text: "3 in flight" in text and "✗ error" in text, "all streams")
        choose_which_are_shown(screen)
        sort(screen)
        look_into_groups(screen)
        follow_one(screen, upstream)
        exported = export(screen, tmp_path)
        record_and_pause(screen, upstream, gateway)
        read_the_help(screen)
        leave_by(screen, "q")

    assert (exported[0]["model"], exported[-1]["type"]) == ("gemini-2.5-pro", "completed")
    replay(tmp_path)


def choose_which_are_shown(screen):
    screen.press("/")
    screen.shows(lambda text: "model:gpt state:stalled" in text, "the line for the filter")
    screen.type("model:gpt -mini")
    shown(screen, "gpt-4o", "gpt-5")
    screen.press("Enter")
    screen.shows(lambda text: text.count("model:gpt -mini") == 1, "the filter alone")
    screen.press("Escape")
    shown(screen, *ALL)

    screen.press("e")
    shown(screen, "gpt-5")
    assert "errors only" in screen.picture()
    screen.press("e")
    shown(screen, *ALL)


def sort(screen):
    for key, title in (("s", "stream▲"), ("s", "state▲"), ("s", "model▲"), ("S", "model▼")):
        screen.press(key)
        screen.shows(lambda text, title=title: title in text, title)
    backwards = ["gpt-4o-mini", "gpt-4o", "gemini-2.5-pro", "gpt-5"]
    screen.shows(lambda text: models(text) == backwards, f"{backwards}; what ended stands below")


def look_into_groups(screen):
    screen.press("g")
    screen.shows(lambda text: re.search(r"^gpt-4o-mini +1 ", text, re.MULTILINE), "groups by model")
    screen.press("Down")
    screen.press("Enter")
    shown(screen, "gpt-4o")
    screen.press("Escape")
    screen.shows(lambda text: "by model" in text and "in flight stalled" in text, "the groups again")
    screen.press("Escape")
    shown(screen, *ALL)


def follow_one(screen, upstream):
    screen.press("Home")
    for model in ("gpt-4o-mini", "gpt-4o", "gemini-2.5-pro"):
        details = re.compile(rf"│ model +{re.escape(model)}\s*$", re.MULTILINE)
        screen.shows(details.search, f"details of {model}")
        screen.press("Down")
    screen.press("Up")
    screen.shows(details.search, "its details again")

    screen.press("Enter")
    followed = screen.shows(lambda text: "tok/s  silent" not in text, "the text alone")
    assert re.search(r"│ trace +[0-9a-f]{32}", followed), followed
    upstream.release("gamma")
    screen.shows(lambda text: "✓ completed" in text, "its end, in the details")
    screen.press("Escape")
    screen.shows(lambda text: "tok/s  silent" in text, "the table again")


def export(screen, folder):
    """Export the selected stream; return the events in the file."""
    screen.press("x")
    screen.shows(lambda text: "written to" in text, "that it is exported")
    (file,) = folder.glob("otel-stream-*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def record_and_pause(screen, upstream, gateway):
    screen.press("r")
    screen.shows(lambda text: "● recording" in text, "that it records")
    screen.press("p")
    screen.shows(lambda text: "PAUSED" in text, "the pause")
    upstream.release("alpha")
    screen.shows(lambda text: re.search(r"PAUSED, [1-9]", text), "what goes on meanwhile")
    assert states(screen.picture())["gpt-4o"] != "completed"
    screen.press("p")
    screen.shows(lambda text: states(text).get("gpt-4o") == "completed", "what happened meanwhile")
    gateway.ask("epsilon", model="o3")
    upstream.wait("epsilon", "held")
    screen.shows(lambda text: "o3" in models(text), "another stream")
    screen.press("r")
    screen.shows(lambda text: "● recording" not in text, "that it records no more")


def read_the_help(screen):
    screen.press("?")
    screen.shows(lambda text: "turns it around" in text, "the help")
    screen.press("Escape")
    screen.shows(lambda text: "turns it around" not in text, "the streams again")


def replay(folder):
    (recording,) = folder.glob("otel-stream-recording-*.jsonl")
    command = [COMMAND, "top", "--replay", recording, "--speed", "50"]
    with Terminal(command, env=screen_environment()) as screen:
        screen.shows(lambda text: "the recording ends here" in text and "o3" in models(text), "the recording")
        leave_by(screen, "C-c")


def leave_by(screen, key):
    """Leave; the terminal is as it was before."""
    screen.press(key)
    assert screen.code() == 0
    assert "in flight" not in screen.picture()
