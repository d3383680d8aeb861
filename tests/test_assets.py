"""What is shipped beside the code for operators: parses, fits together, and is explained."""

from __future__ import annotations

import re
from pathlib import Path

import board_queries
import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry

from otel_stream import semconv
from otel_stream.instrumentation import _hooks
from otel_stream.metrics.instruments import Instruments

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "dashboards"
RUNBOOK = ROOT / "docs" / "runbook.md"
EXPORTED = {
    name: row for row in Instruments(CollectorRegistry()).rows for name in board_queries.series_of(row)
}


def load(name: str):
    return yaml.safe_load((ASSETS / name).read_text("utf-8"))


FILES = sorted(
    path
    for folder in ("", "rules", "provisioning/dashboards", "provisioning/datasources", "collector")
    for path in (ASSETS / folder).glob("*.y*ml")
)
RULES = [rule for group in load("rules/llm_stream.rules.yml")["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
COLLECTOR = load("collector/otelcol.yaml")
SERVICES = load("compose.yaml")["services"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_yaml(path):
    assert yaml.safe_load(path.read_text("utf-8"))


# -- rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_we_export_or_record(rule):
    for selector, above in board_queries.selectors(promql.parse(rule["expr"])):
        if selector.name in RECORDED:
            continue
        row = EXPORTED[selector.name]
        used = {m.name for m in selector.matchers.matchers} | board_queries.grouped_by(above)
        assert used <= {*row.labels, "le", *board_queries.OF_THE_SCRAPE}
        for matcher in selector.matchers.matchers:
            known = board_queries.VALUES.get(matcher.name, {matcher.value})
            assert set(matcher.value.split("|")) <= known


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_who_is_called_what_it_is_and_where_to_read_on(name):
    rule = ALERTS[name]

    assert rule["labels"]["severity"] in {"page", "ticket", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/runbook.md#{name.lower()}")


def test_the_runbook_has_a_section_for_each_alert_that_says_its_severity():
    text = RUNBOOK.read_text("utf-8")
    sections = dict(re.findall(r"^## (\w+)\n\n\*(\w+)\.\*", text, re.MULTILINE))

    assert sections == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


def test_the_runbook_points_to_panels_settings_and_sections_that_exist():
    text = RUNBOOK.read_text("utf-8")
    boards = "".join(path.read_text("utf-8") for path in ASSETS.glob("*.json"))
    panels = set(re.findall(r'"title": "([^"]+)"', boards))
    settings = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    named = set(re.findall(r"(?<![\w*])\*([A-Z][^*\n`]+)\*", text))

    assert named - panels == {"Cost", "Overview", "Streams"}
    assert set(re.findall(r"`(OTEL_\w+)`", text)) <= set(re.findall(r"`(OTEL_\w+)`", settings))
    assert set(re.findall(r"\(#(\w+)\)", text)) <= {name.lower() for name in ALERTS}


def test_each_alert_is_tested_to_fire_and_to_stay_silent():
    """The tests themselves are promtool's, run with the real one."""
    tests = [
        test
        for name in ("llm_stream_test.yml", "llm_stream_days_test.yml")
        for test in load(f"rules/{name}")["tests"]
    ]
    asked = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in asked if case["exp_alerts"]}
    silent = {case["alertname"] for case in asked if not case["exp_alerts"]}

    assert fires == set(ALERTS)
    assert silent == set(ALERTS)


def test_the_alert_about_hooks_goes_by_how_their_failures_are_counted():
    ((selector, _),) = board_queries.selectors(promql.parse(ALERTS["LLMStreamHookFailed"]["expr"]))
    (stage,) = [matcher.value for matcher in selector.matchers.matchers if matcher.name == "stage"]

    assert re.fullmatch(stage, f"{_hooks.STAGE} httpx")


def test_alertmanager_names_alerts_and_severities_that_exist():
    config = load("alertmanager.yml")
    matchers = " ".join(
        matcher
        for rule in config["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    )
    receivers = {receiver["name"] for receiver in config["receivers"]}

    assert set(re.findall(r"LLM\w+", matchers)) - {"LLM"} <= set(ALERTS)
    assert {route["receiver"] for route in (config["route"], *config["route"]["routes"])} == receivers


# -- the collector ---------------------------------------------------------------------------------------


def test_every_part_of_the_collector_is_used_and_every_part_used_is_there():
    service = COLLECTOR["service"]
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in service["pipelines"].values() for name in pipeline[kind]}
        defined = {*COLLECTOR[kind], *(COLLECTOR["connectors"] if kind != "processors" else ())}
        assert used == defined, kind
    assert set(service["extensions"]) == set(COLLECTOR["extensions"])


def test_metrics_of_spans_are_made_before_sampling():
    pipelines = COLLECTOR["service"]["pipelines"]

    assert "tail_sampling" not in pipelines["traces/metrics"]["processors"]
    assert "spanmetrics" in pipelines["traces/metrics"]["exporters"]
    assert all(pipeline["processors"][0] == "memory_limiter" for pipeline in pipelines.values())
    assert COLLECTOR["exporters"]["prometheus"]["enable_open_metrics"] is True


def test_the_sampler_and_the_span_metrics_go_by_attributes_that_our_spans_have():
    names = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    text = (ASSETS / "collector" / "otelcol.yaml").read_text("utf-8")
    used = set(re.findall(r"\b(?:otel_stream|gen_ai|error)\.[\w.]+", text))

    assert used - {"gen_ai.client."} <= names | {"gen_ai.client"}
    assert "numeric_attribute" not in {
        policy["type"] for policy in COLLECTOR["processors"]["tail_sampling"]["policies"]
    }


def test_the_manifest_builds_all_that_the_configuration_needs():
    manifest = load("collector/ocb.yaml")
    built = {
        kind: {re.search(rf"/(\w+){kind.removesuffix('s')} v", part["gomod"])[1] for part in manifest[kind]}
        for kind in ("receivers", "processors", "exporters", "connectors", "extensions")
    }
    # A part's name in the configuration, where it is not its module's.
    modules = {
        "otlp_grpc": "otlp",
        "tail_sampling": "tailsampling",
        "memory_limiter": "memorylimiter",
        "health_check": "healthcheck",
    }
    for kind, there in built.items():
        wanted = {name.partition("/")[0] for name in COLLECTOR[kind]}
        assert {modules.get(name, name) for name in wanted} <= there, kind
    versions = set(re.findall(r" (v[\d.]+)\n", (ASSETS / "collector" / "ocb.yaml").read_text("utf-8")))
    assert versions == {"v0.159.0", "v1.65.0"}


# -- the stack -------------------------------------------------------------------------------------------


def test_what_the_stack_mounts_is_shipped():
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}

    missing = {name for name in mounted if name.startswith("./") and not (ASSETS / name).exists()}
    assert missing == set()


def test_the_stack_listens_on_this_machine_only_and_its_images_are_pinned():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    images = [service["image"] for service in SERVICES.values() if "image" in service]

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images)


def test_the_parts_of_the_stack_find_each_other():
    """Every host named in a configuration is a service, or this machine for what the user puts there."""
    hosts = set()
    for path in FILES:
        if "rules" not in path.parts:
            lines = [line.partition("#")[0] for line in path.read_text("utf-8").splitlines()]
            hosts |= set(re.findall(r"(?:https?://|targets: \[|ENDPOINT: )([a-z]+)(?::|/)", "\n".join(lines)))

    assert hosts - {"localhost", "http"} <= set(SERVICES)


def test_grafana_is_given_the_sources_and_boards_that_links_go_by():
    sources = {
        source["uid"]: source for source in load("provisioning/datasources/otel-stream.yaml")["datasources"]
    }
    (provider,) = load("provisioning/dashboards/otel-stream.yaml")["providers"]
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    (exemplars,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]

    assert exemplars == {"name": "trace_id", "datasourceUid": "tempo"}
    assert sources.keys() == {"prometheus", "tempo", "alertmanager"}
    for board in ASSETS.glob("*.json"):
        assert mounts[f"./{board.name}"] == f"{provider['options']['path']}/{board.name}"
