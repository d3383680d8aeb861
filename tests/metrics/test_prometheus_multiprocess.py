"""Several workers, one `/metrics`: counters and gauges add up, nothing needs to be one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

PROGRAM = """
import json, os, urllib.request
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from otel_stream.events import Completed, Started
from otel_stream.metrics.exposition import serve
from otel_stream.metrics.prometheus import StreamMetrics

def work(open_streams):
    metrics = StreamMetrics()
    for number in range(3):
        metrics.on_event(Started(f"r{number}", "gpt-4o", provider="openai", operation="chat"))
    for number in range(3 - open_streams):
        metrics.on_event(Completed(
            f"r{number}", 10, 5, 0.25, trace_id="a" * 32, span_id="b" * 16,
            time_to_first_token_s=0.2, duration_s=1.0,
        ))
    metrics.watch([])

for open_streams in (1, 2):
    if not os.fork():
        work(open_streams)
        os._exit(0)
for _ in range(2):
    os.wait()
server = serve(REGISTRY, "127.0.0.1", 0)
body = urllib.request.urlopen(server.url).read().decode()
server.close()
totals = {}
for family in text_string_to_metric_families(body):
    for sample in family.samples:
        totals[sample.name] = totals.get(sample.name, 0) + sample.value
print(json.dumps(totals))
"""


def test_workers_add_up(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.stderr == ""
    totals = json.loads(ran.stdout)
    assert totals["llm_stream_requests_total"] == 3
    assert totals["llm_stream_tokens_total"] == 45
    assert totals["llm_stream_cost_usd_total"] == 0.75
    assert totals["llm_stream_time_to_first_token_seconds_count"] == 3
    assert totals["llm_stream_build_info"] == 1
    assert totals["llm_stream_in_flight"] == 3
