"""Services: each only where it is wanted, and gone once they are closed."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry

from otel_stream.config import SettingError, Settings
from otel_stream.events import Started
from otel_stream.live.rendezvous import discover
from otel_stream.processor import StreamSpanProcessor
from otel_stream.services import Services

OFF = {"prometheus": False, "live": "off", "tail": ""}


@pytest.fixture
def processor():
    processor = StreamSpanProcessor()
    yield processor
    processor.shutdown()


@pytest.fixture
def make(processor):
    made = []

    def services(**settings):
        given = Settings(**{"prometheus_port": 0, **OFF, **settings})
        made.append(Services(given, processor, registry=CollectorRegistry(), status=None))
        return made[-1]

    yield services
    for services in made:
        services.close()


def threads():
    return {thread.name for thread in threading.enumerate()}


def test_nothing_runs_that_is_not_wanted(make, processor):
    before = threads()
    services = make()

    assert (services.metrics, services.live_server, services.tail_waits) == (None, None, False)
    assert (threads(), processor.broadcaster.active) == (before, False)


def test_what_is_wanted_runs_until_it_is_closed(make, processor, tmp_path):
    place, told = tmp_path / "live", tmp_path / "tail.jsonl"
    services = make(prometheus=True, live="unix", live_path=str(place), tail=str(told))
    found = len(discover(place))
    processor.broadcaster.send(Started("req_1", "gpt-5"))

    services.close()

    assert (found, discover(place), processor.broadcaster.receiver_count()) == (1, [], 0)
    assert '"req_1"' in told.read_text()


def test_a_forked_child_starts_its_tail_again(make, processor, tmp_path):
    told = tmp_path / "tail.jsonl"
    services = make(tail=str(told))

    services.forked()
    waits = services.tail_waits
    services.start_tail()

    assert (waits, services.tail_waits, processor.broadcaster.receiver_count()) == (True, False, 2)


def test_a_target_that_cannot_be_written_to_is_refused(make, tmp_path):
    with pytest.raises(SettingError, match="OTEL_STREAM_TAIL"):
        make(tail=str(tmp_path / "missing" / "tail.jsonl"))


def test_closing_twice_is_closing_once(make, tmp_path):
    services = make(prometheus=True, tail=str(tmp_path / "tail.jsonl"))

    services.close()
    services.close()

    assert services.metrics is not None
