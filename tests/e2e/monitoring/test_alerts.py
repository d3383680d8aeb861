"""The rules under promtool and in a live Prometheus, and an alert all the way to a webhook."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from e2e.processes import until

pytestmark = pytest.mark.e2e

ASSETS = Path(__file__).parents[3] / "dashboards"
RULES = ASSETS / "rules"


def promtool(bin, *words):
    done = subprocess.run([bin / "promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_valid(debian_programs):
    promtool(debian_programs, "check", "rules", "--lint=all", "--lint-fatal", RULES / "llm_stream.rules.yml")


@pytest.mark.parametrize("name", ["llm_stream_test.yml", "llm_stream_days_test.yml"])
def test_each_alert_fires_and_stays_silent_as_it_should(debian_programs, name):
    promtool(debian_programs, "test", "rules", RULES / name)


def test_the_rules_tests_notice_a_broken_rule(debian_programs, tmp_path):
    """Every alert in turn never fires: its tests must fail, or they test nothing."""
    rules = (RULES / "llm_stream.rules.yml").read_text()
    for name in ("llm_stream_test.yml", "llm_stream_days_test.yml"):
        (tmp_path / name).write_text((RULES / name).read_text())
    (tmp_path / "llm_stream.rules.yml").write_text(rules.replace("llm_stream_", "never_"))

    for name in ("llm_stream_test.yml", "llm_stream_days_test.yml"):
        done = subprocess.run(
            [debian_programs / "promtool", "test", "rules", tmp_path / name], capture_output=True, check=False
        )
        assert done.returncode != 0


def test_the_configurations_are_valid(debian_programs):
    promtool(debian_programs, "check", "config", ASSETS / "prometheus.yml")
    subprocess.run(
        [debian_programs / "amtool", "check-config", ASSETS / "alertmanager.yml"],
        check=True,
        capture_output=True,
    )


def test_every_rule_is_evaluated_without_an_error(monitored):
    def rules():
        found = [rule for group in monitored.prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else None

    states = {
        rule["name"]: (rule["health"], rule.get("lastError")) for rule in until(rules, "evaluated rules")
    }

    assert set(states.values()) == {("ok", None)}, states


def delivered(monitored, name, receiver):
    """Wait for an alert at the webhook of a receiver."""

    def found():
        return [
            alert
            for path, body in list(monitored.delivered)
            for alert in body["alerts"]
            if path == f"/{receiver}" and alert["labels"]["alertname"] == name
        ]

    return until(found, f"{name} at the webhook", 120)[0]


def test_an_alert_about_cost_is_delivered(monitored):
    """Money is spent, the rule fires, Alertmanager calls the on-call people's webhook."""
    alert = delivered(monitored, "LLMCostBurst", "on-call")

    assert alert["status"] == "firing"
    assert alert["labels"]["severity"] == "page"
    assert alert["annotations"]["summary"].startswith("$")
    assert alert["annotations"]["runbook_url"].endswith("/runbook.md#llmcostburst")


def test_an_alert_about_a_hook_that_failed_once_is_delivered(monitored):
    """It failed before the first scrape, so the counter never rose in the eyes of Prometheus."""
    alert = delivered(monitored, "LLMStreamHookFailed", "tickets")

    assert alert["labels"]["tap"] == "house"
    assert "could not hook into house" in alert["annotations"]["summary"]
