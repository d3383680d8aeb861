from __future__ import annotations

import queue

import pytest
from publishing import until

from otel_stream.live.client import Delivery
from otel_stream.live.frames import Snapshot
from otel_stream.live.rendezvous import RendezvousError, Target
from otel_stream.tui import attach
from otel_stream.tui.attach import Gateways, gateways_of


@pytest.fixture
def attached(options):
    made = []

    def attach_(*words):
        made.append(gateways_of(options(attach, *words)))
        return made[-1]

    yield attach_
    for gateways in made:
        gateways.close()


def heard(gateways, count=1):
    """The gateways that sent a snapshot, once so many did."""
    keys = set()
    while len(keys) < count:
        for delivery in gateways.drain(wait_seconds=10):
            if any(isinstance(frame, Snapshot) for frame in delivery.frames):
                keys.add(delivery.target.key)
    return keys


def test_all_gateways_of_the_user_are_watched_new_ones_too(serving, attached):
    first = serving()
    gateways = attached()
    gateways.look()
    one = heard(gateways)

    second = serving()
    gateways.look()

    assert (one, heard(gateways)) == ({first.key}, {second.key})


def test_gateways_that_are_there_no_longer_are_told(serving, attached):
    gateway = serving()
    gateways = attached()
    assert gateways.look() == []

    gateway.close()

    assert [target.key for target in gateways.look()] == [gateway.key]
    assert gateways.look() == []


def test_only_the_process_named_is_watched(serving, attached):
    gateway = serving()

    assert [target.key for target in attached("--pid", gateway.key).find()] == [gateway.key]
    assert attached("--pid", "1").find() == []


def test_a_socket_may_be_named(serving, attached):
    gateway = serving()
    gateways = attached("--socket", str(gateway.server.path))
    gateways.look()

    assert heard(gateways) == {gateway.key}


@pytest.mark.parametrize("alone", [False, True], ids=["the gateway's file", "the token alone"])
def test_an_address_may_be_named_with_its_token(serving, attached, tmp_path, alone):
    gateway = serving(live="tcp")
    file = gateway.server.path
    if alone:
        (token,) = [target.address.token for target in attached().find()]
        file = tmp_path / "token"
        file.write_text(f"{token}\n")
    gateways = attached("--url", gateway.server.url, "--token-file", str(file))
    gateways.look()

    assert heard(gateways) == {gateway.server.url.removeprefix("http://").rstrip("/")}


def test_a_token_file_that_cannot_be_read_is_explained(attached):
    with pytest.raises(RendezvousError, match="cannot read /no/such: No such file"):
        attached("--url", "http://127.0.0.1:1/", "--token-file", "/no/such")


def test_an_address_needs_no_token_if_somebody_else_asks_for_none(attached):
    (target,) = attached("--url", "http://127.0.0.1:1/").find()

    assert (target.key, target.address.token) == ("127.0.0.1:1", "")


def test_the_folder_is_the_one_the_gateways_were_told(monkeypatch, place, options):
    monkeypatch.setenv("OTEL_STREAM_LIVE_PATH", str(place))
    parsed = options(attach)
    parsed.folder = ""

    assert gateways_of(parsed).place == place


def told(*targets):
    """Gateways of which the first is watched, and deliveries of them all."""
    gateways = Gateways(None)
    gateways._watching = {targets[0]: None}
    gateways._deliveries = queue.Queue()
    for target in targets:
        gateways._deliveries.put(Delivery(target, []))
    return gateways


def test_one_turn_takes_no_more_than_the_queue_holds():
    gateways = told(*[Target("1")] * 500)

    assert [len(gateways.drain()), len(gateways.drain(wait_seconds=1)), len(gateways.drain())] == [
        200,
        200,
        100,
    ]


def test_what_is_left_of_a_gateway_that_is_gone_is_not_told():
    gateways = told(Target("1"), Target("2"))

    assert [delivery.target.key for delivery in gateways.drain()] == ["1"]


def test_leaving_ends_the_threads(serving, attached):
    gateway = serving()
    gateways = attached()
    gateways.look()
    heard(gateways)
    (watching,) = gateways._watching.values()

    gateways.close()

    until(lambda: not watching._thread.is_alive())
    assert gateway.processor.broadcaster.receiver_count() <= 1
