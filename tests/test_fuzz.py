"""The fuzzer's targets hold for the seeds, and its oracle notices what it is there for."""

from __future__ import annotations

import pytest
from fuzz import mutate, seeds, targets

TARGETS = targets.targets()
SOME = 6


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_seeds_and_holds_for_them_and_their_mutations(name):
    found = seeds.seeds(name)[:SOME]
    assert found

    for number, seed in enumerate(found):
        TARGETS[name](seed)
        TARGETS[name](mutate.mutate(seed, number))


def test_mutations_reach_into_json_and_stay_the_same_for_the_same_seed():
    data = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\ndata: [DONE]\n\n'

    found = {mutate.mutate(data, seed) for seed in range(200)}

    assert len(found) > 20
    assert {mutate.mutate(data, seed) for seed in range(200)} == found
    assert any(b"content" not in mutated and b"choices" in mutated for mutated in found)


def test_mutated_messages_of_an_event_stream_keep_their_checksums():
    data = max(seeds.seeds("framing:aws_event_stream"), key=len)

    mutated = [mutate.mutate(data, seed) for seed in range(20)]

    assert len(set(mutated)) > 10
    assert all(targets.FRAMINGS["aws_event_stream"](1 << 20).feed(body) for body in mutated)


def test_a_dictionary_says_what_providers_say():
    words = seeds.libfuzzer_dictionary(seeds.dictionary("format:openai_chat"))

    assert '"\\x22content\\x22"\n' in words
    assert words.isascii()


class Payload:
    event = ""

    def __init__(self, raw):
        self.raw = raw


class Careless:
    """A framing that breaks one promise, chosen by name."""

    def __init__(self, promise):
        self.promise = promise
        self.dropped = 0
        self.kept = []

    def feed(self, chunk):
        if self.promise == "memory":
            self.kept += [bytes(100) + bytes([byte]) for byte in chunk]
        if self.promise == "exceptions" and b"!" in chunk:
            raise IndexError("hostile")
        return [Payload(chunk)] if self.promise == "cuts" and chunk else []

    def close(self):
        return [Payload(b"more than there was")] if self.promise == "bytes" else []


Careless.__module__ = "otel_stream.careless"  # what is ours is looked into


@pytest.mark.parametrize(
    ("promise", "complaint"),
    [("cuts", "another cut"), ("bytes", "more came out"), ("memory", "are held"), ("exceptions", "hostile")],
)
def test_the_oracle_notices_a_broken_promise(promise, complaint, monkeypatch):
    monkeypatch.setitem(targets.FRAMINGS, "careless", lambda _: Careless(promise))
    run = targets._Framing("careless")

    with pytest.raises((targets.Broken, IndexError), match=complaint):
        run(b"?!" * (5000 if promise == "memory" else 5))


def test_the_oracle_notices_time_that_is_not_linear(monkeypatch):
    now = iter([0.0, 60.0])
    monkeypatch.setattr(targets.time, "thread_time", lambda: next(now))

    with pytest.raises(targets.Broken, match="is linear"), targets.measured([b"x"]):
        pass


def test_the_oracle_notices_events_out_of_order():
    with pytest.raises(targets.Broken, match="out of order"):
        targets.require_lawful([])
