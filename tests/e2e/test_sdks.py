"""The SDK matrix: each client through each scenario, without us and with us, against the recorded provider.

With us: one stream, one span, one last event, the right usage; and the user sees exactly the same.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e import apis, environments
from e2e.processes import NO_EXPORT, TESTS, environment, provider
from e2e.sdks import async_clients, driver, sync_clients

from otel_stream.events import Completed, Error, Started, decode

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]

CLIENTS = {**sync_clients.CLIENTS, **async_clients.CLIENTS}
CASES = [
    (name, scenario)
    for name in CLIENTS
    for scenario in driver.SCENARIOS
    if scenario != "cancel" or name in async_clients.CLIENTS
]
OUTCOMES = {
    "whole": "completed",
    "leave": "cancelled",
    "cancel": "cancelled",
    "fail": "error",
    "reset": "error",
    "refuse": "error",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run everything without us and with us; gives both for each case."""
    folder = tmp_path_factory.mktemp("sdks")
    sdks = environments.get("sdks")

    with provider(folder) as upstream:
        plain = [
            [sdks.bin("python"), "-m", "e2e.sdks.driver", kind, upstream.url] for kind in ("sync", "async")
        ]
        with_us = [[sdks.bin("opentelemetry-instrument"), "--", *command] for command in plain]
        with ThreadPoolExecutor(2) as pool:
            outputs = list(pool.map(_output, [*plain, *with_us]))
    bare, recorded = outputs[0] | outputs[1], outputs[2] | outputs[3]
    return {case: (bare[case], recorded[case]) for case in bare}


def _output(command):
    env = environment(PYTHONPATH=str(TESTS), OTEL_STREAM_PROMETHEUS="false", **NO_EXPORT)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "otel_stream" not in done.stderr, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("name", "scenario"), CASES)
def test_the_user_sees_the_same_and_the_stream_is_recorded_once(runs, name, scenario):
    bare, with_us = runs[f"{name} / {scenario}"]
    events = [decode(line) for line in with_us["recorded"]["events"]]
    started = [event for event in events if isinstance(event, Started)]
    ended = [event for event in events if isinstance(event, Completed | Error)]
    spans = with_us["recorded"]["spans"]

    assert with_us["error"] == bare["error"]
    seen, expected = _comparable(with_us, name, scenario), _comparable(bare, name, scenario)
    if scenario == "cancel" and isinstance(seen, list):  # how many came before the cancellation is chance
        both = min(len(seen), len(expected))
        seen, expected = seen[: max(1, both)], expected[: max(1, both)]
    assert seen == expected
    assert (len(started), len(ended), [kind for _, kind in spans]) == (1, 1, ["CLIENT"])
    assert ended[0].outcome == OUTCOMES[scenario], ended
    _check_usage(ended[0], CLIENTS[name], scenario)


def _comparable(run, name, scenario):
    """The items; of raw reads that were broken off, how much came before is chance."""
    if getattr(CLIENTS[name], "raw", False) and scenario in ("leave", "cancel", "reset"):
        return run["enough"]
    return run["items"] if scenario != "reset" else None


def _check_usage(ended, client, scenario):
    answer = apis.answer(client.api)
    counts = (ended.input_tokens, ended.output_tokens, ended.usage_source)
    if scenario == "whole":
        assert counts == (answer.input_tokens, answer.output_tokens, "provider")
    elif scenario == "refuse":
        unread = getattr(client, "raw", False)
        assert (*counts, ended.message) == (None, None, "none", "HTTP 429" if unread else apis.BUSY)
    else:
        assert ended.usage_source == "estimated"
        assert 0 < ended.output_tokens < answer.output_tokens
