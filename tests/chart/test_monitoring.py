"""What the chart gives to those who look at it: boards, alerts, the scraper, the collector."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import dashboards
from homing.tracing import settings
from support import alerts
from support.cases import environment, pods, rendered
from support.chart import GIVEN, Manifest, manifests, merged

TRACED = ("api", "reactor", "web")
OPERATOR = "monitoring.coreos.com/v1"


def one(kind: str, found: list[Manifest] | None = None) -> Manifest:
    """The only object of a kind, where all is asked for."""
    (it,) = [it for it in found or rendered("observed") if it["kind"] == kind]
    return it


def annotations(found: list[Manifest], component: str) -> dict[str, str]:
    """Of a component's pods."""
    (it,) = [
        it
        for it in found
        if it["kind"] == "Deployment" and it["metadata"]["name"].endswith(component)
    ]
    return dict(it["spec"]["template"]["metadata"]["annotations"])


def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    """A cluster without the operator's kinds refuses them."""
    found = rendered("trial")
    assert {it["apiVersion"] for it in found} & {OPERATOR} == set()
    assert [it for it in found if it["metadata"]["name"].endswith("-board")] == []
    for component in TRACED:
        assert not any(name.startswith("OTEL") for name in environment(pods(found)[component]))
        assert not any(name.startswith("prometheus.io") for name in annotations(found, component))


def test_every_board_is_in_a_config_map_as_it_is() -> None:
    """Grafana's braces are not Helm's; the sidecar finds it by its label."""
    maps = [it for it in rendered("observed") if it["metadata"]["name"].endswith("-board")]
    shown = {name: text for it in maps for name, text in it["data"].items()}
    assert shown == {path.name: text for path, text in dashboards.files().items()}
    for it in maps:
        assert it["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert it["metadata"]["annotations"] == {"grafana_folder": "Homing"}


def test_all_alerts_are_in_one_object_with_their_braces() -> None:
    """Word for word, but for the place of the runbooks."""
    text = yaml.safe_dump(one("PrometheusRule")["spec"])
    assert "https://example/runbooks/HomingNoProgress.md" in text
    back = yaml.safe_load(text.replace("https://example/runbooks/", "docs/runbooks/"))
    assert [rule for group in back["groups"] for rule in group["rules"]] == _rules()
    plain = one("PrometheusRule", manifests(_asking({"prometheusRule": {"enabled": True}})))
    assert plain["spec"] == back


@pytest.mark.prometheus
def test_the_rendered_alerts_are_what_prometheus_reads(tmp_path: Path) -> None:
    """And their cases still hold."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(one("PrometheusRule")["spec"]), "utf-8")
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_monitor_chooses_the_processes_and_their_internal_port() -> None:
    """And nothing else of the release; all of them are one job."""
    monitor, found = one("PodMonitor"), rendered("observed")
    assert monitor["metadata"]["labels"]["release"] == "1"
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/instance"
    assert monitor["spec"]["podMetricsEndpoints"] == [
        {"port": "internal", "path": "/metrics", "interval": "15s"}
    ]
    chosen = [
        it["metadata"]["labels"]["app.kubernetes.io/component"]
        for it in found
        if "template" in it.get("spec", {})
        and _chosen(monitor["spec"]["selector"], it["spec"]["template"]["metadata"]["labels"])
    ]
    assert sorted(chosen) == sorted(TRACED)
    for component in TRACED:
        (container,) = pods(found)[component]["containers"]
        assert "internal" in [port["name"] for port in container["ports"]]


def test_pods_can_be_found_by_annotations() -> None:
    """Beside those of whoever installs it."""
    mine = {"api": {"podAnnotations": {"prometheus.io/path": "/other", "example/mine": "1"}}}
    found = manifests(merged(_asking({"scrapeAnnotations": True}), mine))
    asked = {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
    assert (
        annotations(found, "reactor").items() >= {**asked, "prometheus.io/path": "/metrics"}.items()
    )
    assert annotations(found, "api").items() >= {**asked, **mine["api"]["podAnnotations"]}.items()


@pytest.mark.parametrize("component", TRACED)
def test_traces_are_what_the_processes_accept(component: str) -> None:
    """By the standard variables, with the pod's name, and headers from a Secret."""
    given = environment(pods(rendered("observed"))[component])
    assert given["OTEL_EXPORTER_OTLP_HEADERS"] == {"name": "my-collector", "key": "headers"}
    names = list(given)
    for name, field in (("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace")):
        assert given[name] == field
        assert f"$({name})" in given["OTEL_RESOURCE_ATTRIBUTES"]
        assert names.index(name) < names.index("OTEL_RESOURCE_ATTRIBUTES")
    told = settings.read({k: v for k, v in given.items() if isinstance(v, str)}, component)
    assert told is not None
    assert (told.protocol, told.sampler, told.ratio) == ("grpc", "parentbased_traceidratio", 0.5)


def test_the_migration_and_the_test_send_no_traces() -> None:
    """Nobody waits for what they do."""
    for component in ("migrate", "test"):
        given = environment(pods(rendered("observed"))[component])
        assert not any(name.startswith(("OTEL", "POD")) for name in given)


def test_an_endpoint_may_have_any_path() -> None:
    """Only a user in front of the host is refused."""
    endpoint = "http://collector.example:4318/of/team@home"
    values = merged(GIVEN, {"telemetry": {"otlp": {"endpoint": endpoint}}})
    given = environment(pods(manifests(values))["api"])
    assert given["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint


def test_a_setting_of_yours_wins() -> None:
    """`settings` is above what the chart sets."""
    mine: dict[str, Any] = {
        "telemetry": {"otlp": {"endpoint": "http://collector.example:4318"}},
        "settings": {"OTEL_TRACES_SAMPLER": "always_on"},
    }
    given = environment(pods(manifests(merged(GIVEN, mine)))["api"])
    assert given["OTEL_TRACES_SAMPLER"] == "always_on"
    assert given["OTEL_TRACES_SAMPLER_ARG"] == "0.01"


def _asking(monitoring: Mapping[str, Any]) -> dict[str, Any]:
    return merged(GIVEN, {"monitoring": dict(monitoring)})


def _rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted(alerts.FOLDER.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def _chosen(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return labels.items() >= selector["matchLabels"].items() and all(
        labels.get(one["key"]) in one["values"] for one in selector["matchExpressions"]
    )
