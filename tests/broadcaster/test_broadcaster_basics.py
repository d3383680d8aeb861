"""Sending and subscribing: who gets what, how many are told, and what the counts say."""

from __future__ import annotations

from receiving import send_all, told

from otel_stream.broadcaster import Receiver, ReceiverState, StreamEventBroadcaster
from otel_stream.events import Completed, Started, TextDelta

DELTA = TextDelta("r1", "Hello")


def test_what_is_sent_is_received_and_then_there_is_nothing():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()

    broadcaster.send(DELTA)

    assert told(receiver) == [DELTA, "empty"]


def test_two_receivers_both_get_it():
    broadcaster = StreamEventBroadcaster()
    first, second = broadcaster.subscribe(), broadcaster.subscribe()

    count = broadcaster.send("one")

    assert count == 2
    assert told(first) == told(second) == ["one", "empty"]


def test_dropping_receivers_while_values_remain_is_no_error():
    broadcaster = StreamEventBroadcaster()
    first, second = broadcaster.subscribe(), broadcaster.subscribe()
    send_all(broadcaster, ["one", "two"])
    assert first.try_recv() == "one"

    del first
    del second

    assert broadcaster.receiver_count() == 0
    assert broadcaster.send("three") == 0


def test_sending_to_nobody_reports_none_and_a_later_subscriber_works():
    broadcaster = StreamEventBroadcaster()

    reported = broadcaster.send("lost")
    receiver = broadcaster.subscribe()
    broadcaster.send("found")

    assert reported == 0
    assert told(receiver) == ["found", "empty"]


def test_a_subscriber_gets_only_what_is_sent_later():
    broadcaster = StreamEventBroadcaster()
    early = broadcaster.subscribe()
    broadcaster.send("one")

    late = broadcaster.subscribe()
    broadcaster.send("two")

    assert told(late) == ["two", "empty"]
    assert told(early) == ["one", "two", "empty"]


def test_somebody_wants_deltas_while_there_are_receivers():
    broadcaster = StreamEventBroadcaster()
    wanted = [broadcaster.active]

    receiver = broadcaster.subscribe()
    wanted.append(broadcaster.active)
    receiver.close()
    wanted.append(broadcaster.active)

    assert wanted == [False, True, False]


def test_the_guard_is_a_plain_attribute():
    """A property would cost the recorder 60 ns for each chunk."""
    assert "active" in vars(StreamEventBroadcaster())


def test_a_dropped_receiver_is_counted_out_at_once():
    broadcaster = StreamEventBroadcaster()
    first = broadcaster.subscribe()
    second = broadcaster.subscribe()
    counts = [broadcaster.receiver_count()]

    del first
    counts.append(broadcaster.receiver_count())
    second.close()
    counts.append(broadcaster.receiver_count())

    assert counts == [2, 1, 0]


def test_resubscribing_begins_at_the_end_and_leaves_the_original_alone():
    broadcaster = StreamEventBroadcaster()
    original = broadcaster.subscribe(lambda number: number != 2, name="screen")
    send_all(broadcaster, [0, 1])

    again = original.resubscribe()
    send_all(broadcaster, [2, 3])

    assert told(again) == [3, "empty"]
    assert told(original) == [0, 1, 3, "empty"]
    assert again.name == "screen"


def test_resubscribing_from_a_lagged_receiver_does_not_copy_the_gap():
    broadcaster = StreamEventBroadcaster(capacity=1)
    original = broadcaster.subscribe()
    send_all(broadcaster, [1, 2])

    again = original.resubscribe()
    heard = told(again)
    broadcaster.send(3)

    assert heard == ["empty"]
    assert told(again) == [3, "empty"]
    assert told(original) == ["lagged 2", 3, "empty"]


def test_a_reader_resumes_at_the_position_another_has_reached():
    broadcaster = StreamEventBroadcaster(capacity=3)
    keeper = broadcaster.subscribe()
    first = broadcaster.subscribe()
    send_all(broadcaster, range(2))
    first.try_recv()
    reached = first.position
    first.close()

    resumed = broadcaster.subscribe(since=reached)
    send_all(broadcaster, [2])

    assert told(resumed) == [1, 2, "empty"]
    assert keeper.position == 0


def test_resuming_where_nothing_is_kept_lags():
    broadcaster = StreamEventBroadcaster(capacity=3)
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(5))

    by_overwriting = told(broadcaster.subscribe(since=0))
    receiver.close()
    by_leaving = told(broadcaster.subscribe(since=1))

    assert by_overwriting == ["lagged 2", 2, 3, 4, "empty"]
    assert by_leaving == ["lagged 4", "empty"]


def test_resuming_in_the_future_begins_now():
    broadcaster = StreamEventBroadcaster()

    receiver = broadcaster.subscribe(since=100)
    broadcaster.send("one")

    assert told(receiver) == ["one", "empty"]


def test_the_backlog_is_what_the_slowest_has_not_read_of_what_is_kept():
    broadcaster = StreamEventBroadcaster(capacity=3)
    slow, fast = broadcaster.subscribe(), broadcaster.subscribe()
    backlogs = [broadcaster.backlog()]

    send_all(broadcaster, range(2))
    fast.try_recv_many()
    backlogs.append(broadcaster.backlog())
    send_all(broadcaster, range(2, 9))
    backlogs.append(broadcaster.backlog())
    slow.close()
    fast.try_recv_many()
    backlogs.append(broadcaster.backlog())

    assert backlogs == [0, 2, 3, 0]


def test_published_counts_what_was_kept_for_receivers():
    broadcaster = StreamEventBroadcaster(capacity=2)
    broadcaster.send("to nobody")
    receiver = broadcaster.subscribe()
    send_all(broadcaster, range(500))
    receiver.close()

    broadcaster.send("to nobody")

    assert broadcaster.published == 500


def test_receivers_are_told_to_metrics_by_name():
    broadcaster = StreamEventBroadcaster(capacity=2)
    screen = broadcaster.subscribe(name="screen")
    broadcaster.send("one")
    screen.try_recv()
    other = broadcaster.subscribe()
    send_all(broadcaster, range(5))

    assert broadcaster.receivers() == (
        ReceiverState("screen", received=1, lost=3, backlog=5),
        ReceiverState("subscriber", received=0, lost=3, backlog=5),
    )
    assert isinstance(other, Receiver)


def test_losses_by_name_never_go_down():
    broadcaster = StreamEventBroadcaster(capacity=2)
    gone = broadcaster.subscribe(name="feed")
    send_all(broadcaster, range(5))
    before = broadcaster.lost()

    gone.close()
    after = broadcaster.lost()
    stays = broadcaster.subscribe(name="feed")
    send_all(broadcaster, range(3))

    assert before == after == {"feed": 3}
    assert broadcaster.lost() == {"feed": 4}
    assert stays.lost() == 1


def test_losses_of_very_many_names_are_bounded():
    broadcaster = StreamEventBroadcaster(capacity=1)
    for number in range(150):
        with broadcaster.subscribe(name=f"client-{number}"):
            send_all(broadcaster, range(2))

    lost = broadcaster.lost()

    assert len(lost) == 101
    assert lost["other"] == 50
    assert sum(lost.values()) == 150


def test_real_events_pass_as_they_are():
    broadcaster = StreamEventBroadcaster()
    receiver = broadcaster.subscribe()
    story = [Started("r1", "gpt"), DELTA, Completed("r1", 1, 2, None)]

    send_all(broadcaster, story)

    assert [id(event) for event in receiver.try_recv_many()] == [id(event) for event in story]
