"""The registry of streams in flight, and how subscribers are told of ours."""

from __future__ import annotations

import gc
import os
import signal
import weakref

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from recording import EPOCH_NS, Recording

from otel_stream import processor as module
from otel_stream.broadcaster import Closed, StreamEventBroadcaster
from otel_stream.events import Completed, Error, Started
from otel_stream.processor import StreamSpanProcessor
from otel_stream.spans import SpanWriter

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def begun(processor, **known):
    """Return a stream of ours, started, that goes through the processor."""
    recording = Recording(sinks=[processor], start=False, **known)
    recording.stream.broadcaster = processor.broadcaster
    recording.stream.start()
    return recording


def test_a_stream_of_ours_is_told_and_in_flight_until_its_end(watch):
    watched = watch()
    recording = begun(watched.processor, request_id="req_1")

    during = watched.processor.streams()
    recording.read("Hello")
    recording.stream.done()
    recording.end()

    assert during == [recording.stream]
    assert watched.kinds == ["Started", "TextDelta", "Completed"]
    assert (watched.processor.streams(), watched.processor.find("req_1")) == ([], None)


def test_a_listener_finds_the_stream_while_it_is_told_the_end(watch):
    watched = watch()
    recording = begun(watched.processor, request_id="req_1")
    found = []
    watched.processor.broadcaster.add_listener(
        lambda event: found.append((type(event), watched.processor.find("req_1")))
    )

    recording.end()

    assert found == [(Error, recording.stream)]


def test_streams_in_flight_are_listed_oldest_first(watch):
    watched = watch()
    first, second = begun(watched.processor), begun(watched.processor)

    assert watched.processor.streams() == [first.stream, second.stream]


def test_a_stream_forgotten_for_room_is_told_its_end_and_found_there(watch, monkeypatch):
    monkeypatch.setattr(module, "MAX_STREAMS", 2)
    watched = watch()
    recordings = [begun(watched.processor, request_id=f"req_{number}") for number in range(3)]
    found = []
    watched.processor.broadcaster.add_listener(
        lambda event: found.append(watched.processor.find(event.request_id))
    )

    before = watched.processor.streams()
    for recording in recordings:
        recording.end()

    assert before == [recording.stream for recording in recordings[1:]]
    assert found == [recording.stream for recording in recordings]
    assert watched.processor.streams() == []


def test_two_streams_under_one_id_end_each_for_itself(watch):
    """Ids that users give may repeat."""
    watched = watch()
    first, second = begun(watched.processor, request_id="r"), begun(watched.processor, request_id="r")

    second.end()
    first.end()

    assert watched.processor.streams() == []
    assert watched.kinds == ["Started", "Started", "Error", "Error"]


def test_an_id_used_again_while_its_end_is_told_stays_in_flight(watch):
    watched = watch()
    first = begun(watched.processor, request_id="r")
    again = []

    def retry(event):
        if isinstance(event, Error) and not again:
            again.append(begun(watched.processor, request_id="r"))

    watched.processor.broadcaster.add_listener(retry)
    first.end()

    assert watched.processor.streams() == [again[0].stream]


# -- sampling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.0, 0.01, 1.0])
def test_a_sampler_hides_nothing_from_subscribers(watch, ratio):
    watched = watch(tracing={"sampler": sampling.TraceIdRatioBased(ratio)})
    writer = SpanWriter(watched.provider)

    for _ in range(200):
        recording = Recording(sinks=[watched.processor, writer], start=False)
        recording.stream.broadcaster = watched.processor.broadcaster
        writer.open(recording.stream, Context())
        recording.stream.start()
        recording.read("x")
        recording.stream.done()
        recording.end()

    kinds = watched.kinds
    assert [kinds.count(kind) for kind in ("Started", "TextDelta", "Completed")] == [200, 200, 200]
    assert {len(event.span_id) for event in watched.told} == {16}
    assert len(watched.exporter.get_finished_spans()) <= (40 if ratio < 1 else 200)


def test_our_own_span_is_not_told_a_second_time(watch):
    watched = watch()
    writer = SpanWriter(watched.provider)
    recording = Recording(sinks=[watched.processor, writer], start=False)

    writer.open(recording.stream, Context())
    recording.stream.start()
    recording.end()

    assert watched.kinds == ["Started", "Error"]
    assert watched.told[0].source == "upstream"


# -- late joiners ------------------------------------------------------------------------------------


def test_a_late_joiner_gets_how_far_each_stream_came_and_what_follows(watch):
    watched = watch()
    recording = begun(watched.processor, request_id="req_1")
    recording.read("Hello", after=0.5)

    states, receiver = watched.processor.subscribe(name="late")
    recording.read("!", after=0.25)
    recording.stream.done()
    recording.end()

    (state,) = states
    assert (state.request_id, state.phase, state.sequence) == ("req_1", "streaming", 1)
    assert [(type(event).__name__, event.sequence) for event in receiver.try_recv_many(10)] == [
        ("TextDelta", 2),
        ("Completed", 3),
    ]
    receiver.close()


def test_what_happens_while_the_snapshot_is_made_is_in_the_receiver(watch, monkeypatch):
    """The cursor comes first: an event may be told twice, never not at all."""
    watched = watch()
    recording = begun(watched.processor)
    original = StreamSpanProcessor.snapshot

    def slow(processor):
        recording.read("meanwhile")
        return original(processor)

    monkeypatch.setattr(StreamSpanProcessor, "snapshot", slow)
    states, receiver = watched.processor.subscribe()

    delta = receiver.try_recv()
    assert (delta.text, delta.sequence <= states[0].sequence) == ("meanwhile", True)
    receiver.close()


def test_without_a_snapshot_there_is_only_news(watch):
    watched = watch()
    begun(watched.processor)

    states, receiver = watched.processor.subscribe(snapshot=False)

    assert states == []
    receiver.close()


def test_a_snapshot_has_the_streams_of_others_too(watch):
    watched = watch()
    begun(watched.processor, request_id="req_1")
    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)

    ours, other = watched.processor.snapshot()

    assert (ours.request_id, ours.source) == ("req_1", "upstream")
    assert (other.model, other.source, other.phase) == ("gpt-4o", "foreign", "waiting")
    span.end()
    assert [state.request_id for state in watched.processor.snapshot()] == ["req_1"]


# -- the SDK's hooks ---------------------------------------------------------------------------------


def test_an_error_of_ours_in_a_hook_does_not_reach_the_application(watch, swallow, monkeypatch):
    watched = watch()

    def broken(*_):
        raise RuntimeError("ours")

    monkeypatch.setattr(watched.processor._follower, "start", broken)
    monkeypatch.setattr(watched.processor._follower, "end", broken)
    with watched.tracer.start_as_current_span("GET /"):
        pass

    assert [span.name for span in watched.exporter.get_finished_spans()] == ["GET /"]


def test_nothing_waits_to_be_flushed(watch):
    assert watch().provider.force_flush() is True


def test_a_broadcaster_of_its_own_ends_with_the_provider():
    processor = StreamSpanProcessor()
    receiver = processor.broadcaster.subscribe()

    processor.shutdown()

    with pytest.raises(Closed):
        receiver.try_recv()


def test_a_broadcaster_given_to_it_stays_open():
    """Streams of ours may end after the SDK was shut down, and be counted."""
    broadcaster = StreamEventBroadcaster()
    processor = StreamSpanProcessor(broadcaster)
    receiver = broadcaster.subscribe()

    processor.shutdown()
    begun(processor).end()

    assert [type(event) for event in receiver.try_recv_many(10)] == [Started, Error]
    receiver.close()


def test_shutting_down_tells_the_streams_of_others_as_abandoned(watch):
    watched = watch()
    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)

    watched.processor.shutdown()
    span.end()

    assert [(type(event), getattr(event, "outcome", None)) for event in watched.told] == [
        (Started, None),
        (Error, "abandoned"),
    ]


def in_a_child(check):
    """Return the exit code of a forked child that runs `check`, and is killed after 10 seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(check())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_after_the_shutdown_spans_are_left_alone(watch):
    watched = watch()
    watched.processor.shutdown()

    with watched.tracer.start_as_current_span("chat gpt-4o", attributes=CHAT) as span:
        span.add_event("otel_stream.started", {"request_id": "r", "model": "m"})

    assert watched.told == []
    assert "add_event" not in vars(span)


@FORKS
def test_a_forked_child_has_no_streams(watch):
    watched = watch()
    begun(watched.processor)
    watched.tracer.start_span("chat gpt-4o", attributes=CHAT)

    assert in_a_child(lambda: len(watched.processor.snapshot())) == 0
    assert len(watched.processor.snapshot()) == 2


def test_the_hook_of_a_fork_forgets_while_there_is_something_to_forget(monkeypatch):
    """The same in this process, where it can be looked at."""
    hooks = []

    def register(*, after_in_child):
        hooks.append(after_in_child)

    monkeypatch.setattr(os, "register_at_fork", register)
    processor = StreamSpanProcessor(StreamEventBroadcaster())
    recording = begun(processor)

    hooks[-1]()

    assert processor.streams() == []
    recording.end()
    del processor, recording
    gc.collect()
    hooks[-1]()


@FORKS
def test_the_fork_hook_keeps_no_processor_alive():
    processor = StreamSpanProcessor()
    reference = weakref.ref(processor)

    del processor
    gc.collect()

    assert reference() is None
    assert in_a_child(lambda: 0) == 0


def test_systems_without_fork_need_no_hook(monkeypatch):
    monkeypatch.delattr(os, "register_at_fork")

    assert StreamSpanProcessor().snapshot() == []


# -- one call, told by others and by us --------------------------------------------------------------


def taken_over(watched, **known):
    """Return a stream of ours as the runtime opens it, under the span that is current."""
    writer = SpanWriter(watched.provider)
    request_id = watched.processor.take_over()
    recording = Recording(sinks=[watched.processor, writer], start=False, request_id=request_id, **known)
    recording.stream.broadcaster = watched.processor.broadcaster
    writer.open(recording.stream)
    recording.stream.start()
    return recording


def test_a_call_that_we_see_too_is_told_by_us_alone(watch):
    watched = watch(hold=True)

    with watched.tracer.start_as_current_span("chat gpt-4o", attributes=CHAT):
        recording = taken_over(watched)
        recording.read("Hello")
        recording.stream.done()
        recording.end()
    watched.processor.force_flush()

    assert watched.kinds == ["Started", "TextDelta", "Completed"]
    assert watched.told[0].source == "upstream"


def test_an_http_span_may_stand_between(watch):
    watched = watch(hold=True)

    with (
        watched.tracer.start_as_current_span("chat gpt-4o", attributes=CHAT),
        watched.tracer.start_as_current_span("POST"),
    ):
        taken_over(watched).end()
    watched.processor.force_flush()

    assert watched.kinds == ["Started", "Error"]


def test_where_the_other_was_told_already_ours_goes_on_under_its_id(watch):
    watched = watch()

    with watched.tracer.start_as_current_span("chat gpt-4o", attributes=CHAT):
        recording = taken_over(watched)
        recording.stream.done()
        recording.end()

    assert watched.kinds == ["Started", "Completed"]
    assert {event.request_id for event in watched.told} == {recording.stream.request_id}


def test_a_second_attempt_under_the_same_span_is_a_stream_of_its_own(watch):
    watched = watch()

    with watched.tracer.start_as_current_span("chat gpt-4o", attributes=CHAT):
        taken_over(watched).end("failed", ConnectionError())
        taken_over(watched).end("failed", ConnectionError())

    assert watched.kinds == ["Started", "Error", "Started", "Error"]
    assert len({event.request_id for event in watched.told}) == 2


def test_a_span_marked_after_its_start_is_taken_over_as_well(watch):
    watched = watch()

    with watched.tracer.start_as_current_span("anthropic.messages.create") as span:
        span.set_attributes(CHAT)
        recording = taken_over(watched)
        recording.stream.done()
        recording.end()

    assert watched.kinds == ["Started", "Completed"]


@pytest.mark.parametrize("attributes", [{}, {"gen_ai.operation.name": "invoke_agent"}])
def test_spans_that_are_no_llm_call_are_not_taken_over(watch, attributes):
    watched = watch()

    with watched.tracer.start_as_current_span("POST /v1/chat", attributes=attributes):
        assert watched.processor.take_over() is None
    assert watched.processor.take_over(Context()) is None


def test_what_is_held_back_is_told_after_a_while(watch):
    """Nobody took it over: only the other instrumentation sees this call."""
    watched = watch(hold=True)
    waiting = watched.processor.broadcaster.subscribe()

    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)
    at_once = list(watched.told)
    started = next(iter(waiting))
    span.end()

    assert at_once == []
    assert (type(started), started.source) == (Started, "foreign")
    assert watched.kinds == ["Started", "Completed"]
    waiting.close()


def test_what_is_held_back_and_ends_is_told_at_once(watch):
    watched = watch(hold=True)

    watched.tracer.start_span("chat gpt-4o", attributes=CHAT).end()
    watched.processor.force_flush()

    assert watched.kinds == ["Started", "Completed"]
    assert isinstance(watched.told[-1], Completed)


def test_what_is_held_back_is_held_for_at_least_a_round(watch):
    watched = watch(hold=True)
    span = watched.tracer.start_span("chat gpt-4o", attributes=CHAT)

    watched.processor._follower.release()
    one_round = list(watched.told)
    watched.processor._follower.release()

    assert (one_round, watched.kinds) == ([], ["Started"])
    span.end()


def test_a_snapshot_gives_our_times_in_the_clock_of_the_stream(watch):
    watched = watch()
    recording = begun(watched.processor)
    recording.clock.pass_(2)

    (state,) = watched.processor.snapshot()

    assert (state.time_unix_nano, state.duration_s, state.idle_s) == (EPOCH_NS, 2.0, 2.0)
