"""What is counted: each stream once, however it ends."""

from __future__ import annotations

import gc
import weakref
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.exposition import generate_latest

from otel_stream import _guard
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.call import CallContext
from otel_stream.events import Completed, Error, Started, TextDelta
from otel_stream.meaning import CallFacts, Failure, Usage
from otel_stream.metrics import prometheus
from otel_stream.metrics.prometheus import StreamMetrics
from otel_stream.pricing import UNPRICED, Price
from otel_stream.recorder import Recorder, Trace, Who

TOKENS = Usage(input_tokens=1000, output_tokens=101, cache_read_tokens=600, reasoning_tokens=40)
SAMPLED = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
FACTS = CallFacts("openai", "chat", "gpt-4o", "openai_chat")
CORE = {"provider": "openai", "model": "gpt-4o", "operation": "chat"}


def test_a_finished_stream_is_counted_once(metered):
    stream = metered.open()
    metered.chunk(stream, 0.4)
    metered.finish(stream, TOKENS)

    assert metered.samples("llm_stream_requests_total") == {
        ("gpt-4o", "chat", "completed", "openai", "upstream"): 1
    }
    assert metered.samples("llm_stream_errors_total") == {}


def test_tokens_are_counted_as_billed_and_their_parts_apart(metered):
    metered.finish(metered.open(), TOKENS)

    assert metered.samples("llm_stream_tokens_total") == {
        ("unknown", "gpt-4o", "openai", "upstream", "unknown", "input", "provider"): 1000,
        ("unknown", "gpt-4o", "openai", "upstream", "unknown", "output", "provider"): 101,
    }
    assert metered.total("llm_stream_token_details_total", detail="cache_read") == 600
    assert metered.total("llm_stream_token_details_total", detail="cache_write") == 0
    assert metered.total("llm_stream_token_details_total", detail="reasoning") == 40


def test_audio_tokens_are_told_apart(metered):
    usage = Usage(input_tokens=10, output_tokens=20, input_audio_tokens=7, output_audio_tokens=9)
    metered.finish(metered.open(), usage)

    assert metered.total("llm_stream_token_details_total", detail="audio_input") == 7
    assert metered.total("llm_stream_token_details_total", detail="audio_output") == 9


def test_dollars_are_counted_with_who_said_so(metered):
    metered.finish(metered.open(), TOKENS)
    metered.price = Price(Decimal("0.5"), "provider")
    metered.finish(metered.open(), TOKENS)

    assert metered.total("llm_stream_cost_usd_total", cost_source="price_table") == 0.25
    assert metered.total("llm_stream_cost_usd_total", cost_source="provider") == 0.5


def test_a_stream_without_a_price_is_unpriced_and_not_free(metered):
    metered.price = Price(None, "none", "missing_rate")
    metered.finish(metered.open(), TOKENS)

    assert metered.samples("llm_stream_unpriced_total") == {("gpt-4o", "openai", "missing_rate"): 1}
    assert metered.samples("llm_stream_cost_usd_total") == {}


def test_reasons_of_the_users_own_do_not_become_labels(metered):
    metered.price = Price(None, "none", "it is complicated")
    metered.finish(metered.open(), TOKENS)

    assert metered.samples("llm_stream_unpriced_total") == {("gpt-4o", "openai", "_other"): 1}


def test_a_finished_stream_without_usage_is_missed_and_not_unpriced(metered):
    stream = metered.open()
    metered.chunk(stream, 0.1)
    metered.finish(stream)

    assert metered.samples("llm_stream_usage_missing_total") == {("gpt-4o", "completed", "openai"): 1}
    assert metered.samples("llm_stream_unpriced_total") == {}


def test_what_a_cancelled_stream_cost_is_counted_as_an_estimate(metered):
    stream = metered.open()
    metered.chunk(stream, 0.1, "x" * 40)
    stream.end("cancelled")

    assert metered.total("llm_stream_requests_total", outcome="cancelled") == 1
    assert metered.total("llm_stream_tokens_total", token_type="input", usage_source="estimated") == 100
    assert metered.total("llm_stream_tokens_total", token_type="output", usage_source="estimated") == 10
    assert metered.total("llm_stream_cost_usd_total") == 0.25
    assert metered.samples("llm_stream_usage_missing_total") == {("gpt-4o", "cancelled", "openai"): 1}
    assert metered.samples("llm_stream_errors_total") == {}


def test_a_refused_request_is_an_error_and_misses_no_usage(metered):
    stream = metered.open()
    stream.status = 429
    stream.error(Failure("rate_limit_error", None, "slow down"))
    stream.end("eof")

    assert metered.samples("llm_stream_errors_total") == {("rate_limit", "gpt-4o", "chat", "openai"): 1}
    assert metered.samples("llm_stream_usage_missing_total") == {}


@pytest.mark.parametrize(
    ("ending", "outcome", "error_type"),
    [
        ("eof", "incomplete", "protocol"),
        ("failed", "error", "other"),
        ("timeout", "timeout", "timeout"),
        ("abandoned", "abandoned", "other"),
        ("closed", "cancelled", None),
    ],
)
def test_every_bad_end_has_its_outcome_and_its_error(metered, ending, outcome, error_type):
    metered.open().end(ending)

    assert metered.total("llm_stream_requests_total", outcome=outcome) == 1
    assert metered.total("llm_stream_requests_total") == 1
    assert metered.total("llm_stream_errors_total") == (error_type is not None)
    if error_type:
        assert metered.total("llm_stream_errors_total", error_type=error_type) == 1


def test_streams_in_flight_go_up_and_down(metered):
    first, second = metered.open(), metered.open()
    both = metered.total("llm_stream_in_flight", **CORE)
    first.end("cancelled")
    one = metered.total("llm_stream_in_flight", **CORE)
    second.end("eof")

    assert (both, one, metered.total("llm_stream_in_flight", **CORE)) == (2, 1, 0)


def test_times_are_measured_from_the_request(metered):
    stream = metered.open()
    metered.chunk(stream, 0.4)
    metered.chunk(stream, 0.02)
    metered.chunk(stream, 0.06)
    metered.finish(stream, Usage(input_tokens=1, output_tokens=5), after=1.0)

    assert metered.total("llm_stream_time_to_first_token_seconds_sum") == pytest.approx(0.4)
    assert metered.total("llm_stream_time_per_output_chunk_seconds_count") == 2
    assert metered.total("llm_stream_time_per_output_chunk_seconds_sum") == pytest.approx(0.08)
    assert metered.total("llm_stream_time_per_output_token_seconds_sum") == pytest.approx(0.02)
    assert metered.total("llm_stream_duration_seconds_sum", outcome="completed") == pytest.approx(1.48)


def test_speed_is_not_measured_by_estimates_or_of_one_chunk(metered):
    one, estimated = metered.open(), metered.open()
    metered.chunk(one, 0.1)
    metered.finish(one, Usage(input_tokens=1, output_tokens=500))
    metered.chunk(estimated, 0.1)
    metered.chunk(estimated, 0.1)
    estimated.end("cancelled")

    assert metered.total("llm_stream_time_per_output_token_seconds_count") == 0


def test_a_call_without_streaming_has_a_duration_and_no_first_token(metered):
    stream = metered.open(streaming=False)
    metered.chunk(stream, 3)
    metered.finish(stream, TOKENS)

    assert metered.total("llm_stream_duration_seconds_count") == 1
    assert metered.total("llm_stream_time_to_first_token_seconds_count") == 0
    assert metered.total("llm_stream_time_per_output_chunk_seconds_count") == 0


def test_gaps_beyond_the_threshold_are_stalls(metered):
    stream = metered.open()
    metered.chunk(stream, 30)
    metered.chunk(stream, 9)
    metered.chunk(stream, 11)
    metered.chunk(stream, 12)
    metered.finish(stream, TOKENS)

    assert metered.samples("llm_stream_stalls_total") == {("gpt-4o", "openai"): 2}


def test_the_watch_shows_streams_that_are_silent_now(metered):
    metered.open()
    silent, lively, whole = metered.open(), metered.open(), metered.open(streaming=False)
    for stream in (silent, lively, whole):
        metered.chunk(stream, 0.1)
    metered.chunk(lively, 15)
    metered.metrics.watch(metered.live.values())
    before = metered.samples("llm_stream_stalled")
    metered.chunk(silent, 0.1)
    metered.metrics.watch(metered.live.values())

    assert before == {("gpt-4o", "openai"): 1}
    assert metered.samples("llm_stream_stalled") == {}


def test_a_new_models_series_begin_at_zero(metered):
    """A counter that is born at 1 is invisible to rate() and increase()."""
    metered.open()

    zeros = {
        "llm_stream_requests_total": {"outcome": "abandoned", "source": "upstream"},
        "llm_stream_errors_total": {"error_type": "overloaded"},
        "llm_stream_tokens_total": {"token_type": "output", "usage_source": "provider"},
        "llm_stream_token_details_total": {"detail": "cache_read"},
        "llm_stream_cost_usd_total": {"cost_source": "price_table"},
        "llm_stream_unpriced_total": {"reason": "unknown_model"},
        "llm_stream_usage_missing_total": {"outcome": "completed"},
        "llm_stream_stalls_total": {},
        "llm_stream_stalled": {},
        "llm_stream_time_to_first_token_seconds_count": {"operation": "chat"},
        "llm_stream_time_per_output_chunk_seconds_count": {"operation": "chat"},
        "llm_stream_time_per_output_token_seconds_count": {"operation": "chat"},
        "llm_stream_duration_seconds_count": {"outcome": "completed"},
    }
    for name, labels in zeros.items():
        assert metered.total(name, model="gpt-4o", **labels) == 0, name


def test_a_stream_that_is_not_billed_counts_no_tokens_and_no_dollars(metered):
    stream = metered.open(source="downstream")
    stream.billed = False
    metered.finish(stream, TOKENS)

    assert metered.total("llm_stream_requests_total", outcome="completed", source="downstream") == 1
    assert metered.samples("llm_stream_tokens_total") == {}
    assert metered.samples("llm_stream_token_details_total") == {}
    assert metered.samples("llm_stream_cost_usd_total") == {}


def test_a_cache_hit_costs_nothing_and_its_tokens_were_not_billed(metered):
    stream = metered.open(source="downstream")
    stream.cache_hit = True
    metered.chunk(stream, 0.1)
    metered.finish(stream)

    assert metered.total("llm_stream_requests_total", source="downstream") == 1
    assert metered.samples("llm_stream_tokens_total") == {}
    assert metered.samples("llm_stream_cost_usd_total") == {}
    assert metered.samples("llm_stream_usage_missing_total") == {}


def test_what_was_seen_downstream_only_is_counted_as_such(metered):
    metered.finish(metered.open(source="downstream"), TOKENS)

    assert metered.total("llm_stream_tokens_total", source="downstream", token_type="input") == 1000
    assert metered.total("llm_stream_cost_usd_total", source="downstream") == 0.25


def test_agents_and_tenants_are_labels_only_when_asked_for(metered_by_tenant):
    metered = metered_by_tenant
    metered.finish(metered.open(who=Who(agent_type="planner", tenant="acme")), TOKENS)
    metered.finish(metered.open(), TOKENS)

    assert metered.total("llm_stream_cost_usd_total", agent="unknown", tenant="acme") == 0.25
    assert metered.total("llm_stream_cost_usd_total", agent="unknown", tenant="unknown") == 0.25


def foreign(**facts):
    return Started(
        "f1", "claude-sonnet-4-5", provider="anthropic", operation="chat", source="foreign", **facts
    )


def test_another_librarys_span_is_counted_from_its_events(metered):
    metered.broadcaster.send(foreign())
    in_flight = metered.total("llm_stream_in_flight", provider="anthropic")
    metered.broadcaster.send(
        Completed("f1", 10, 20, 0.01, duration_s=2.0, time_to_first_token_s=0.5, cache_read_tokens=4)
    )

    assert (in_flight, metered.total("llm_stream_in_flight", provider="anthropic")) == (1, 0)
    labels = {"provider": "anthropic", "source": "foreign", "usage_source": "provider"}
    assert metered.total("llm_stream_tokens_total", token_type="output", **labels) == 20
    assert metered.total("llm_stream_token_details_total", detail="cache_read", **labels) == 4
    assert metered.total("llm_stream_cost_usd_total", source="foreign", cost_source="provider") == 0.01
    assert metered.total("llm_stream_time_to_first_token_seconds_sum") == 0.5
    assert metered.total("llm_stream_duration_seconds_sum") == 2
    assert metered.total("llm_stream_time_per_output_chunk_seconds_count") == 0


def test_another_librarys_failed_span_is_an_error(metered):
    metered.broadcaster.send(foreign())
    metered.broadcaster.send(Error("f1", "down", error_type="503"))

    assert metered.samples("llm_stream_errors_total") == {
        ("overloaded", "claude-sonnet-4-5", "chat", "anthropic"): 1
    }
    assert metered.samples("llm_stream_unpriced_total") == {}


def test_another_librarys_span_with_tokens_and_no_cost_is_unpriced(metered):
    metered.broadcaster.send(foreign())
    metered.broadcaster.send(Completed("f1", 10, 20, None))

    assert metered.total("llm_stream_unpriced_total", reason="unknown_model") == 1


def test_another_librarys_span_without_usage_misses_it(metered):
    metered.broadcaster.send(foreign())
    metered.broadcaster.send(Completed("f1", None, None, None))

    assert metered.total("llm_stream_usage_missing_total", provider="anthropic") == 1
    assert metered.samples("llm_stream_unpriced_total") == {}


def test_a_stream_from_before_we_listened_is_counted_and_the_gauge_stays_right(metered):
    early = metered.open(provider="groq", source="manual")
    metered.metrics.close()
    metered.registry = CollectorRegistry()
    metered.metrics = StreamMetrics(metered.registry, find=metered.live.get)
    metered.broadcaster.add_listener(metered.metrics.on_event)
    metered.finish(early, TOKENS)
    metered.broadcaster.send(Completed("nobody", 1, 1, 0.5, response_model="gpt-5"))

    assert metered.total("llm_stream_requests_total", provider="groq", source="manual") == 1
    assert metered.total("llm_stream_requests_total", provider="unknown", model="gpt-5") == 1
    assert not metered.total("llm_stream_in_flight")


def test_deltas_cost_nothing(metered):
    metered.metrics.on_event(TextDelta("r", "text"))

    assert metered.samples("llm_stream_requests_total") == {}


def test_nonsense_numbers_do_not_stop_the_counting(metered):
    metered.broadcaster.send(foreign())
    metered.broadcaster.send(Completed("f1", -5, 20, float("nan")))

    assert metered.total("llm_stream_tokens_total", token_type="input") == 0
    assert metered.total("llm_stream_tokens_total", token_type="output") == 20
    assert metered.total("llm_stream_cost_usd_total") == 0


def test_spans_that_never_end_do_not_pile_up(metered, monkeypatch):
    monkeypatch.setattr(prometheus, "MAX_OPEN", 2)
    for number in range(5):
        metered.broadcaster.send(Started(f"f{number}", "m"))

    assert metered.total("llm_stream_in_flight") == 2
    assert len(metered.metrics._open) == 2


def test_closing_leaves_nothing_in_flight_or_stalled(metered):
    stream = metered.open()
    metered.chunk(stream, 0.1)
    metered.clock.now += 60
    metered.metrics.watch([stream])
    metered.metrics.close()

    assert metered.samples("llm_stream_in_flight") == {}
    assert metered.samples("llm_stream_stalled") == {}


# -- exemplars ---------------------------------------------------------------------------------------


def exemplars(metered) -> dict[str, dict[str, str]]:
    return {
        sample.name: sample.exemplar.labels
        for family in metered.registry.collect()
        for sample in family.samples
        if sample.exemplar
    }


def test_a_sampled_streams_trace_is_an_exemplar(metered):
    finished, failed = metered.open(trace=SAMPLED), metered.open(trace=SAMPLED)
    metered.chunk(finished, 0.4)
    metered.finish(finished, TOKENS)
    failed.end("failed")

    link = {"trace_id": SAMPLED.trace_id, "span_id": SAMPLED.span_id}
    assert exemplars(metered) == {
        "llm_stream_errors_total": link,
        "llm_stream_cost_usd_total": link,
        "llm_stream_time_to_first_token_seconds_bucket": link,
    }
    assert b'trace_id="0af7651916cd43dd8448eb211c80319c"' in generate_latest(metered.registry)


def test_a_trace_that_was_not_sampled_is_no_exemplar(metered):
    stream = metered.open(trace=SAMPLED._replace(sampled=False))
    metered.chunk(stream, 0.4)
    metered.finish(stream, TOKENS)

    assert exemplars(metered) == {}


def test_another_librarys_span_is_an_exemplar(metered):
    metered.broadcaster.send(foreign())
    metered.broadcaster.send(Completed("f1", 1, 1, 0.5, trace_id="a" * 32, span_id="b" * 16))

    assert exemplars(metered) == {"llm_stream_cost_usd_total": {"trace_id": "a" * 32, "span_id": "b" * 16}}


# -- registries --------------------------------------------------------------------------------------


def test_two_registries_in_one_process_are_independent(metered, another):
    metered.finish(metered.open(), TOKENS)

    assert metered.total("llm_stream_requests_total") == 1
    assert another.total("llm_stream_requests_total") is None


def test_a_registry_used_before_goes_on_counting(metered):
    metered.finish(metered.open(), TOKENS)
    metered.metrics.close()
    again = type(metered)(metered.registry)
    again.finish(again.open(), TOKENS)
    again.metrics.close()

    assert again.total("llm_stream_requests_total") == 2


def test_a_name_that_somebody_else_took_is_a_clear_error():
    registry = CollectorRegistry()
    Counter("llm_stream_requests", "theirs", registry=registry)

    with pytest.raises(ValueError, match="llm_stream_requests"):
        StreamMetrics(registry)


def test_a_registry_nobody_holds_is_forgotten():
    registry = CollectorRegistry()
    StreamMetrics(registry).close()
    gone = weakref.ref(registry)
    del registry
    gc.collect()

    assert gone() is None


def test_a_bug_of_ours_does_not_reach_the_stream(metered, swallow):
    metered.metrics.on_event(Started("r", "m", provider=object()))  # type: ignore[arg-type]
    metered.metrics._find = None
    metered.metrics.on_event(Completed("r", 1, 1, None))

    assert _guard.counts()["metrics"] >= 1


def test_a_price_source_of_nobody_is_fine(metered):
    metered.price = UNPRICED
    metered.finish(metered.open(), TOKENS)

    assert metered.samples("llm_stream_cost_usd_total") == {}
    assert metered.samples("llm_stream_unpriced_total") == {}


# -- requests to the gateway ------------------------------------------------------------------------------


def called(*outcomes, tenant="acme"):
    """A request to the gateway whose tries ended like this."""
    call = CallContext(given=Who(tenant=tenant))
    for outcome in outcomes:
        stream = Recorder(FACTS, broadcaster=StreamEventBroadcaster())
        call.opened(stream)
        call.closed(stream, outcome)
    return call


def test_a_call_is_counted_once_by_what_its_caller_saw(metered_by_tenant):
    metered_by_tenant.metrics.call_ended(called("error", "completed"), 200)
    metered_by_tenant.metrics.call_ended(called("error"), 502)
    metered_by_tenant.metrics.call_ended(called("completed"), 200, TimeoutError())

    assert metered_by_tenant.samples("llm_stream_calls_total") == {
        ("unknown", "completed", "acme"): 1,
        ("unknown", "error", "acme"): 1,
        ("unknown", "timeout", "acme"): 1,
    }
    assert metered_by_tenant.total("llm_stream_calls_total", outcome="cancelled") == 0


def test_a_request_that_called_no_llm_is_not_counted(metered):
    metered.metrics.call_ended(called(), 200)

    assert metered.total("llm_stream_calls_total") is None
