"""`otel-stream top` in a real terminal over real gateways: workers merged, one killed, one started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest
from e2e.live_gateways import COMMAND, Gateway, once, screen_environment
from e2e.processes import environment, provider, until
from e2e.terminal import Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    with provider(tmp_path_factory.mktemp("provider")) as upstream:
        yield upstream


@pytest.fixture
def place(tmp_path):
    return tmp_path / "live"


def top(place, *words):
    return Terminal([COMMAND, "top", "--folder", place, *words], env=screen_environment())


def in_flight(picture):
    found = re.search(r"([\d,]+) in flight", picture)
    return int(found[1].replace(",", "")) if found else None


def spread(gateway, upstream, name, place, workers):
    """Hold streams until so many processes of the gateway have one; returns the processes' ids."""
    for number in range(40):
        key = f"{name}{number}"
        gateway.ask(key)
        upstream.wait(key, "held")
        told = once(place)
        pids = {
            int(s["gateway"]) for s in told["streams"] if s["ended"] is None and s["call_id"].startswith(name)
        }
        if len(pids) == workers:
            return sorted(pids)
    raise AssertionError(f"all streams of {name} went to {pids}")


@pytest.mark.parametrize("servers", [("uvicorn", "gunicorn")])
def test_two_gateways_of_two_workers_one_killed_and_started_again(tmp_path, place, upstream, servers):
    with (
        Gateway(tmp_path, "shop", place, upstream, server=servers[0]) as shop,
        Gateway(tmp_path, "desk", place, upstream, server=servers[1]) as desk,
        top(place) as screen,
    ):
        shops = spread(shop, upstream, "shop", place, 2)
        desks = spread(desk, upstream, "desk", place, 2)
        held = len([s for s in once(place)["streams"] if s["ended"] is None])
        assert len({*shops, *desks}) == 4

        merged = screen.shows(lambda text: in_flight(text) == held, f"{held} streams of four workers")
        assert re.search(r"desk \(\d\), shop \(\d\)", merged), merged
        assert "missed 0" in merged

        desk.kill()
        ours = sum(int(s["gateway"]) in shops for s in once(place)["streams"] if s["ended"] is None)
        killed = screen.shows(lambda text: in_flight(text) == ours, f"only the {ours} streams of the shop")
        assert "? lost" in killed
        assert "desk" in killed

        with Gateway(tmp_path, "desk", place, upstream, server=servers[1]) as again:
            again.ask("again")
            upstream.wait("again", "held")
            back = screen.shows(lambda text: in_flight(text) == ours + 1, "the desk's stream again")
            assert re.search(r"desk(?: \(\d\))?, shop", back), back

            upstream.release("again")
            screen.shows(lambda text: "✓ completed" in text, "its end")
        screen.press("q")
        assert screen.code() == 0


def test_one_worker_killed_is_replaced_and_the_screen_stays_right(tmp_path, place, upstream):
    with Gateway(tmp_path, "shop", place, upstream) as shop, top(place) as screen:
        first, second = spread(shop, upstream, "one", place, 2)
        streams = [s for s in once(place)["streams"] if s["ended"] is None]
        left = sum(int(s["gateway"]) == second for s in streams)
        screen.shows(lambda text: in_flight(text) == len(streams), "the streams of both")

        os.kill(first, signal.SIGKILL)

        screen.shows(lambda text: in_flight(text) == left, f"the {left} streams of the worker that lives")
        until(
            lambda: (told := once(place)) and str(first) not in {g["key"] for g in told["gateways"]},
            "it is gone",
        )


def test_once_and_tail_for_programs(tmp_path, place, upstream):
    with Gateway(tmp_path, "shop", place, upstream, workers=1) as shop:
        shop.ask("tail-a")
        upstream.wait("tail-a", "held")
        tail = subprocess.Popen(
            [COMMAND, "tail", "--json", "--folder", place], stdout=subprocess.PIPE, env=environment()
        )
        try:
            snapshot = json.loads(tail.stdout.readline())
            upstream.release("tail-a")
            ended = next(told for line in tail.stdout if (told := json.loads(line))["type"] == "completed")
        finally:
            tail.terminate()
            tail.stdout.close()
            tail.wait()

        assert [stream["call_id"] for stream in snapshot["streams"]] == ["tail-a"]
        assert ended["request_id"] == snapshot["streams"][0]["request_id"]
        assert once(place)["in_flight"] == 0
