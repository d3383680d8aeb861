"""The soak's plan, books and measures: what it takes for the truth, and that a difference is seen."""

from __future__ import annotations

import pytest

from benchmarks.soak import books, plan, report, usage
from benchmarks.soak.collector import Span
from benchmarks.soak.servers import Lag
from otel_stream.testing import replay

KINDS = plan.each_kind("test")


def replayed(call):
    answer = replay(
        url="https://provider.example" + call.path,
        request_json=call.request,
        response_headers=call.recording.headers,
        chunks=call.pieces(),
    )
    return answer.outcome


def test_there_is_a_call_of_each_kind_and_a_name_always_means_the_same_one():
    assert {call.conduct for call in KINDS} == set(plan.CONDUCTS)
    assert all(plan.call(call.name)[:6] == call[:6] for call in KINDS)
    assert all(plan.name_of(call.request) == call.name for call in KINDS)
    assert plan.name_of({"model": "gpt-4o"}) is None


def test_whole_answers_complete_and_no_other_has_its_end():
    outcomes = {(call.conduct in plan.FINISHING, replayed(call)) for call in KINDS}

    assert outcomes == {(True, "completed"), (False, "incomplete")}


# -- books


WHOLE = next(call for call in KINDS if call.conduct == "whole" and call.recording.usage is not None)
LEFT = next(call for call in KINDS if call.conduct == "leaves" and call.provider != WHOLE.provider)
STALLED = next(call for call in KINDS if call.conduct == "stalled")
ROWS = [(WHOLE.name, "whole"), (LEFT.name, "gone"), (STALLED.name, "gone")]
SAW = {WHOLE.name: "answered", LEFT.name: "left", STALLED.name: "broken off"}


def ledger():
    return books.Ledger(ROWS, SAW)


def sample(name, value, **labels):
    told = ",".join(f'{key}="{word}"' for key, word in labels.items())
    return f"{name}{{{told}}} {value!r}\n"


def page(outcomes=("completed", "cancelled", "timeout"), in_flight=0):
    """The /metrics page of a gateway that served the calls of ROWS."""
    core = [
        {"provider": call.provider, "model": call.recording.request["model"], "source": "upstream"}
        for call in (WHOLE, LEFT, STALLED)
    ]
    usage_of = {"input": WHOLE.recording.usage.input_tokens, "output": WHOLE.recording.usage.output_tokens}
    whole = {**core[0], "agent": "whole"}
    reported = {**whole, "usage_source": "provider"}
    samples = [
        *(
            sample("llm_stream_requests_total", 1, outcome=o, **c)
            for o, c in zip(outcomes, core, strict=True)
        ),
        *(sample("llm_stream_tokens_total", n, token_type=k, **reported) for k, n in usage_of.items()),
        sample("llm_stream_cost_usd_total", float(ledger().dollars), **whole),
        sample("llm_stream_in_flight", in_flight, **core[0]),
    ]
    return books.Counters("".join(samples))


def spans():
    usage_ = WHOLE.recording.usage
    told = Span(
        WHOLE.name, "whole", "completed", "provider",
        usage_.input_tokens, usage_.output_tokens, float(ledger().dollars),
    )  # fmt: skip
    return [told, Span(LEFT.name, "leaves", "cancelled"), Span(STALLED.name, "stalled", "timeout")]


def differing(counters, found):
    return {line.what for line in books.compare(ledger(), counters, found) if not line.agrees}


def test_the_ledger_tells_outcomes_from_who_hung_up():
    found = ledger()

    assert found.outcomes == {
        WHOLE.name: ["completed"], LEFT.name: ["cancelled"], STALLED.name: ["timeout"],
    }  # fmt: skip
    assert found.dollars > 0


def test_books_that_agree_agree():
    assert differing(page(), spans()) == set()


@pytest.mark.parametrize(
    ("counters", "found", "seen"),
    [
        (page(outcomes=("completed", "timeout", "timeout")), spans(), "requests cancelled"),
        (page(in_flight=1), spans(), "streams in flight"),
        (page(), spans()[:2], "spans"),
        (page(), [*spans()[:2], spans()[1]], "calls with wrong spans"),
        (page(), [spans()[0]._replace(dollars=9.0), *spans()[1:]], "dollars, spans"),
    ],
)
def test_a_difference_is_seen(counters, found, seen):
    assert seen in differing(counters, found)


def test_two_mistakes_do_not_cancel_each_other():
    wrong = page(outcomes=("cancelled", "completed", "timeout"))

    assert "… by model and outcome, off by" in differing(wrong, spans())


# -- measures


def record(blocks_per_call=0.0, growth_mib=0.0, fds=0):
    made = usage.Record()
    made.samples = [usage.Sample(t, t, int(usage.MIB * (60 + growth_mib * t / 600))) for t in range(601)]
    made.rests = [
        usage.Rest(n * 1000, int(1e5 + n * 1000 * blocks_per_call), 3, 10 + fds * n, 5) for n in range(9)
    ]
    made.stretches = [usage.Stretch([Lag(0.002, 0.001), Lag(0.05, 0.0)], 60.0, 6.0, 60_000)]
    return made


def test_what_stays_level_is_fine():
    verdicts = report.left_behind(record(), record(blocks_per_call=0.1, growth_mib=1))

    assert report.closing([], verdicts)[1] == 0


@pytest.mark.parametrize("leak", [{"blocks_per_call": 2}, {"growth_mib": 20}, {"fds": 1}])
def test_what_grows_is_seen(leak):
    words, code = report.closing([], report.left_behind(record(), record(**leak)))

    assert code == 1
    assert "NOT as it should be" in words


def test_lags_and_cpu_are_told_in_the_units_of_the_table():
    made = record()

    assert (made.lag_ms(0.5), made.lag_ms(1), made.lag_ms(1, own=True)) == (2.0, 50.0, 1.0)
    assert (made.cpu_share, made.cpu_us_per_piece) == (0.1, 100.0)
    assert "without us" in report.loop_table({"plain": made})


def test_percentiles_of_few_values():
    assert [usage.percentile([1.0, 2.0, 3.0], share) for share in (0.01, 0.5, 1)] == [1.0, 2.0, 3.0]
    assert usage.percentile([], 0.5) == 0
