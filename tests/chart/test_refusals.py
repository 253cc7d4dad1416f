"""Values that cannot work are refused before anything is installed, in words that help."""

from __future__ import annotations

from typing import Any

import pytest

from support.cases import CASES, URLS
from support.chart import GIVEN, Refused, manifests, merged

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"nats": {"enabled": False}}, r"give external\.nats\.existingSecret, or external\.nats\.urls"),
    (
        {"nats": {"enabled": False}, "external": {"nats": {"urls": {**URLS, "reactor": ""}}}},
        r"external\.nats\.urls\.reactor",
    ),
    ({"postgres": {"enabled": False}}, r"give external\.postgres\.existingSecret"),
    ({"external": {"nats": {"urls": URLS}}}, r"nats\.enabled is true and external\.nats"),
    ({"external": {"postgres": {"existingSecret": "x"}}}, r"postgres\.enabled is true"),
    ({"session": {"existingSecret": "x"}}, r"both given"),
    ({"operator": {"token": "t" * 16, "existingSecret": "x"}}, r"both given"),
    ({"operator": {"enabled": False, "token": "t" * 16}}, r"operator\.enabled is false"),
    ({"operator": {"token": "short"}}, r"operator/token|operator\.token"),
    ({"operator": {"token": "t" * 501}}, r"operator/token|operator\.token"),
    ({"settings": {"HOMING_OPERATOR_TOKEN": "t" * 16}}, r"is a secret"),
    ({"session": {"keys": "short"}}, r"session/keys|session\.keys"),
    ({"settings": {"HOMING_NATS_URL": "nats://u:p@x"}}, r"is a secret"),
    ({"api": {"settings": {"HOMING_SESSION_KEYS": "x"}}}, r"is a secret"),
    ({"api": {"settings": {"PATH": "x"}}}, r"PATH"),
    ({"settings": {"HOMING_PARTITIONS": "32"}}, r"by the value partitions"),
    ({"web": {"settings": {"HOMING_INTERNAL_PORT": "1"}}}, r"set by the chart itself"),
    ({"stream": {"maxBytes": 64424509440}}, r"maxFileStoreBytes"),
    ({"stream": {"replicas": 3}}, r"nats\.enabled=false"),
    ({"api": {"replicas": 20}}, r"max_connections"),
    ({"api": {"replicas": 5, "settings": {"HOMING_POOL_SIZE": "50"}}}, r"max_connections"),
    ({"settings": {"OTEL_EXPORTER_OTLP_HEADERS": "key=secret"}}, r"is a secret"),
    ({"telemetry": {"otlp": {"headersSecret": "x"}}}, r"says not where to"),
    ({"telemetry": {"otlp": {"protocol": "http/json"}}}, r"protocol"),
    ({"telemetry": {"otlp": {"endpoint": "http://user:password@x"}}}, r"endpoint"),
    ({"telemetry": {"samplerArg": "2"}}, r"samplerArg"),
    ({"monitoring": {"podMonitor": {"interval": "30"}}}, r"interval"),
    (
        {"monitoring": {"podMonitor": {"interval": "10s", "scrapeTimeout": "1m"}}},
        r"scrapeTimeout \(1m\) is longer than interval \(10s\)",
    ),
    ({"partitions": 0}, r"partitions"),
    ({"api": {"replicaz": 2}}, r"replicaz"),
    ({"nats": {"image": {"version": "2"}}}, r"version"),
    ({"nats": {"auth": {"passwords": {"api": "1234567890123456"}}}}, r"passwords"),
    ({"postgres": {"auth": {"passwords": {"api": "it's"}}}}, r"passwords"),
    ({"web": {"service": {"type": "nodeport"}}}, r"NodePort"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_cannot_work_is_refused(values: dict[str, Any], words: str) -> None:
    """With the value's own name."""
    with pytest.raises(Refused, match=words):
        manifests(merged(GIVEN, values))


def test_an_older_kubernetes_is_refused() -> None:
    """The chart says which is the oldest."""
    with pytest.raises(Refused, match=r"1\.29"):
        manifests(CASES["trial"], version="1.29")
