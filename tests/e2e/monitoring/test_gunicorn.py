"""gunicorn: workers that are forked from a master, one of which is killed; no hook in its configuration."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e import stack
from e2e.monitoring import acts
from e2e.processes import NO_EXPORT

pytestmark = pytest.mark.e2e


def test_totals_are_exact_and_nothing_sticks_after_a_worker_was_killed(debian_programs, tmp_path):
    folder = tmp_path / "multiproc"
    options = ("--workers", 2, "--graceful-timeout", 2)
    env = {"PROMETHEUS_MULTIPROC_DIR": str(folder), **NO_EXPORT}
    with (
        stack.provider(tmp_path) as upstream,
        stack.gateway(
            tmp_path, "otel_stream.demo.gateway_app:app", upstream, *options, server=stack.gunicorn, **env
        ) as gateway,
        stack.prometheus(debian_programs, tmp_path / "shipped", gateway.metrics) as prometheus,
        ThreadPoolExecutor(12) as callers,
    ):
        answers = list(callers.map(lambda plan: acts.call(gateway.url, plan), acts.WHOLE[:12]))
        killed, had, ends = acts.kill_a_worker(callers, gateway, folder)
        answers += callers.map(lambda plan: acts.call(gateway.url, plan), acts.LATER)
        lost = sum(end != "answered" for _, end in ends)
        acts.settled(upstream, prometheus, lost)

        assert set(answers) == {"answered"}
        assert lost >= had > 0
        assert prometheus.value("sum(llm_stream_in_flight)") == 0
        assert not (folder / f"gauge_livesum_{killed}.db").exists()
