"""MLflow's gateway, any-llm, lm-proxy, optillm and five gateways written by hand, as users start them."""

from __future__ import annotations

import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e import apis
from e2e.gateway import CHAT, assert_the_books_agree
from e2e.gateways import CLAUDE, GATEWAYS, started

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]

OTHERS = ("optillm", "queue worker")
"""The first asks for no stream, the second asks under no request: each has tests of its own."""
CASES = [(name, *case) for name, kind in GATEWAYS.items() if name not in OTHERS for case in kind.cases]
CHATS = [case for case in CASES if case[1] == CHAT]
SOME = {"openai.chat": b"square", "anthropic.messages": b"organized"}
"""What has come when a caller hangs up."""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a gateway by its name, once; all run until the end."""
    with contextlib.ExitStack() as running:

        @functools.cache
        def start_once(name):
            return running.enter_context(started(name, tmp_path_factory.mktemp("gateway")))

        yield start_once


@pytest.fixture
def gateway(request, start):
    return start(request.param)


def leavers(*ways):
    """The cases of gateways that do so when their callers hang up."""
    return [case for case in CHATS if GATEWAYS[case[0]].when_left in ways]


def ask(gateway, model, key, conduct="whole", path=CHAT, **more):
    """Ask as callers of this gateway do who want to know the usage."""
    if path == CHAT and not gateway.kind.asks_usage:
        more["stream_options"] = {"include_usage": True}
    return gateway.ask(model, key, conduct, path, **more)


def cases(names, rows):
    return pytest.mark.parametrize(f"gateway, {names}", rows, indirect=["gateway"])


def each(names):
    return pytest.mark.parametrize("gateway", names, indirect=True)


@cases("path, model, api", CASES)
def test_a_stream_is_seen_with_the_provider_s_usage(gateway, path, model, api):
    key = f"whole{path}/{model}".replace("/", "-").replace(":", "-")
    reply = ask(gateway, model, key, path=path)
    call = gateway.call(key)
    (started,) = call.started
    whole = apis.answer(api)

    assert (reply.status, started.agent_type, started.source) == (200, "coder", "upstream"), reply.body
    assert (call.outcomes, call.text) == (["completed"], whole.text)
    row = gateway.upstream.wait(key, "complete")
    assert row["api"] == api
    if row.get("reported", True):
        counts = (call.only.input_tokens, call.only.output_tokens)
        assert (*counts, call.only.cost_usd > 0) == (whole.input_tokens, whole.output_tokens, True)
        assert (b"_tokens" in reply.body) is gateway.kind.tells_usage
    else:  # any-llm does not ask OpenAI for it on behalf of callers who speak Anthropic's language
        assert (call.only.usage_source, call.only.cost_usd) == ("none", None)


@cases("path, model, api", leavers("closes", "stops", "drops"))
def test_a_caller_who_hangs_up_cancels_and_the_partial_tokens_are_told(gateway, path, model, api):
    """What others ask makes the garbage collector run, which some gateways leave it to now and then."""
    key = f"left-{api}"
    gateway.left.append(key)
    ask(gateway, model, key, "drip", path, until=SOME[api])
    while not gateway.has_ended(key):
        if gateway.kind.when_left == "drops":
            gateway.upstream.release(key)  # another frame
        ask(gateway, model, "others", path=path)
    call = gateway.call(key)

    assert call.outcomes == ["cancelled"]
    assert (call.only.usage_source, call.only.output_tokens > 0) == ("estimated", True)
    gateway.upstream.let_go(key)
    assert gateway.kind.when_left != "closes" or gateway.upstream.wait(key, "gone")


@cases("path, model, api", CHATS)
@pytest.mark.parametrize("conduct", ["fail", "reset"])
def test_what_fails_half_way_is_an_error_whatever_the_caller_is_told(gateway, path, model, api, conduct):
    key = f"{conduct}-{api}"
    reply = ask(gateway, model, key, conduct, path)
    call = gateway.call(key)

    assert (reply.status, call.outcomes) == (200, ["error"])
    assert call.only.output_tokens > 0
    assert reply.body.endswith(b"data: [DONE]\n\n") is gateway.kind.done_after_error


@cases("path, model, api", CHATS)
def test_what_is_refused_is_an_error_for_each_attempt_of_the_one_call(gateway, path, model, api):
    """SDKs try again by themselves."""
    key = f"refused-{api}"
    ask(gateway, model, key, "refuse", path)
    attempts = [row for row in gateway.upstream.ledger() if row["key"] == key]
    call = gateway.call(key, streams=len(attempts))

    assert call.outcomes == ["error"] * len(attempts)
    assert call.ended[-1].message == apis.BUSY


@each(["any-llm"])
def test_what_fails_before_anybody_was_asked_is_an_error_told_by_the_answer(gateway):
    """The head says 200, and `[DONE]` follows the error."""
    reply = gateway.ask(f"anthropic:{CLAUDE}", "early", text="cut in the middle of an emoji: \ud83d")
    call = gateway.call("early")

    assert (reply.status, reply.body[-14:]) == (200, b"data: [DONE]\n\n")
    assert [(event.source, event.agent_type) for event in call.started] == [("downstream", "coder")]
    assert (call.outcomes, call.only.message) == (["error"], "An error occurred during streaming")
    assert not any(row["key"] == "early" for row in gateway.upstream.ledger())


@each(["optillm"])
def test_a_stream_made_of_a_plain_answer_is_told_and_its_tokens_counted_where_they_were_billed(gateway):
    reply = gateway.ask("gpt-4o", "made", path=CHAT)
    call = gateway.call("made", streams=2)
    plain, stream = call.started
    whole = apis.answer("openai.chat")

    assert (reply.status, b"_tokens" in reply.body) == (200, False)
    assert (plain.source, stream.source, call.outcomes) == ("upstream", "downstream", ["completed"] * 2)
    counts = (call.ended[0].input_tokens, call.ended[0].output_tokens)
    assert counts == (whole.input_tokens, whole.output_tokens)
    assert call.text == 2 * whole.text


@each(["optillm"])
def test_an_answer_that_takes_several_calls_is_one_call_of_them_all(gateway):
    """Best of n: some answers, then a mark for each."""
    before = len(gateway.upstream.ledger())
    gateway.ask("bon-gpt-4o", "best")
    asked = len(gateway.upstream.ledger()) - before
    call = gateway.call("best", streams=asked + 1)

    assert asked > 1
    assert [event.source for event in call.started] == ["upstream"] * asked + ["downstream"]


@each(["optillm"])
def test_a_plain_call_that_is_refused_is_an_error_for_each_attempt(gateway):
    reply = gateway.ask("gpt-4o", "refused", "refuse")
    attempts = [row for row in gateway.upstream.ledger() if row["key"] == "refused"]

    assert (reply.status, gateway.call("refused", len(attempts)).outcomes) == (500, ["error"] * len(attempts))


def asked_of_a_worker(gateway, key, conduct="whole", until=None, streams=1):
    """Ask after somebody else has, and return the reply and the events of the streams that came of it."""
    ask(gateway, "gpt-4o", f"{key}-before")
    gateway.settled()
    before = len(gateway.streams(1))
    reply = ask(gateway, "gpt-4o", key, conduct, until=until)
    if until:
        gateway.upstream.release(key)
    return reply, gateway.streams(before + streams)[before:]


@each(["queue worker"])
def test_a_worker_s_stream_is_told_once_and_not_as_that_of_the_request_that_made_the_worker(gateway):
    reply, ((began, ended),) = asked_of_a_worker(gateway, "worker")
    whole = apis.answer("openai.chat")

    assert (reply.status, began.source, began.call_id) == (200, "upstream", None)
    assert (ended.outcome, ended.input_tokens, ended.output_tokens) == (
        "completed", whole.input_tokens, whole.output_tokens,
    )  # fmt: skip


@each(["queue worker"])
def test_a_worker_that_reads_on_for_a_caller_who_left_completes(gateway):
    _, ((_, ended),) = asked_of_a_worker(gateway, "away", "hold", until=b"square")

    assert (ended.outcome, ended.usage_source) == ("completed", "provider")


@each(["queue worker"])
@pytest.mark.parametrize("conduct", ["fail", "reset"])
def test_what_fails_in_a_worker_is_an_error_told_once(gateway, conduct):
    reply, ((began, ended),) = asked_of_a_worker(gateway, f"worker-{conduct}", conduct)

    assert (reply.status, reply.body[-14:]) == (200, b"data: [DONE]\n\n")
    assert (began.source, ended.outcome) == ("upstream", "error")


@each(["queue worker"])
def test_a_refusal_has_no_id_so_what_a_worker_was_refused_is_told_at_both_ends(gateway):
    _, told = asked_of_a_worker(gateway, "worker-refused", "refuse", streams=2)

    assert [(began.source, ended.outcome) for began, ended in told] == [
        ("upstream", "error"), ("downstream", "error"),
    ]  # fmt: skip


@each(GATEWAYS)
def test_the_counters_equal_what_the_provider_served(gateway):
    """Whatever was asked before is in it too."""
    calls = [
        (model, f"books-{number}-{model}".replace(":", "-"), conduct, path)
        for number, conduct in enumerate(["whole", "whole", "fail", "refuse"])
        for path, model, _ in gateway.kind.cases
        if path == CHAT
    ]
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda call: ask(gateway, *call), calls))

    assert_the_books_agree(gateway, gateway.left)
