"""Values that the chart is rendered with in tests."""

from __future__ import annotations

from typing import Any

from support.chart import GIVEN, Manifest, manifests, merged

OLDEST, NEWEST = "1.30", "1.37"
"""Of Kubernetes; the oldest is what Chart.yaml asks for."""
URLS = {role: f"nats://{role}:secret@nats.example:4222" for role in ("migrate", "api", "reactor")}
DATABASES = {
    role: f"postgresql://{role}:secret@db.example/x" for role in ("migrate", "api", "reactor")
}
PLACED: dict[str, Any] = {
    "podAnnotations": {"example/number": "1"},
    "podLabels": {"example/truth": "true"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
}
CASES: dict[str, dict[str, Any]] = {
    "trial": GIVEN,
    "external-urls": {
        "nats": {"enabled": False},
        "postgres": {"enabled": False},
        "external": {"nats": {"urls": URLS}, "postgres": {"urls": DATABASES}},
        "session": {"keys": "k" * 32},
        "operator": {"enabled": False},
    },
    "external-secrets": {
        "nats": {"enabled": False},
        "postgres": {"enabled": False},
        "external": {
            "nats": {"existingSecret": "my-nats"},
            "postgres": {"existingSecret": "my-postgres", "roles": {"api": "a", "reactor": "r"}},
        },
        "session": {"existingSecret": "my-session"},
        "operator": {"existingSecret": "my-operator"},
        "stream": {"replicas": 3, "maxBytes": 17179869184},
    },
    "own-nats": merged(
        GIVEN, {"nats": {"enabled": False}, "external": {"nats": {"existingSecret": "my-nats"}}}
    ),
    "own-postgres": merged(
        GIVEN,
        {"postgres": {"enabled": False}, "external": {"postgres": {"existingSecret": "my-db"}}},
    ),
    "autoscaled": merged(
        GIVEN, {process: {"replicas": None} for process in ("api", "reactor", "web")}
    ),
    "observed": merged(
        GIVEN,
        {
            "monitoring": {
                "podMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "1"}},
                "prometheusRule": {"enabled": True, "runbooks": "https://example/runbooks/"},
                "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Homing"}},
                "scrapeAnnotations": True,
            },
            "telemetry": {
                "otlp": {
                    "endpoint": "http://collector.example:4317",
                    "protocol": "grpc",
                    "headersSecret": "my-collector",
                },
                "samplerArg": "0.5",
            },
        },
    ),
    "everything": merged(
        GIVEN,
        dict.fromkeys(("api", "reactor", "web"), PLACED),
        {
            "global": {"anything": {"goes": True}},
            "image": {"reference": "example/homing:1@sha256:" + "0" * 64, "pullSecrets": ["1"]},
            "bind": "::",
            "demo": True,
            "logLevel": "debug",
            "partitions": 4,
            "operator": {"token": "an-operators-token"},
            "settings": {"HOMING_LOG_LEVEL": "warning", "OTEL_SDK_DISABLED": "true"},
            "api": {"settings": {"HOMING_STREAMS_MAX": "5000"}, "service": {"port": 8080}},
            "web": {
                "preStopSeconds": 0,
                "service": {
                    "type": "NodePort",
                    "nodePort": 30080,
                    "annotations": {"example/count": "3"},
                },
            },
            "nats": {"persistence": {"storageClass": "fast"}, "syncInterval": "always"},
            "postgres": {"persistence": {"storageClass": "1"}, "runAsUser": 70},
        },
    ),
}


def rendered(case: str, **options: str) -> list[Manifest]:
    """A case, rendered."""
    return manifests(CASES[case], **options)


def pods(found: list[Manifest]) -> dict[str, dict[str, Any]]:
    """The spec of each pod, by component."""
    specs = {}
    for one in found:
        spec = one if one["kind"] == "Pod" else one.get("spec", {}).get("template")
        if spec:
            component = one["metadata"]["labels"]["app.kubernetes.io/component"]
            specs[component] = spec["spec"]
    return specs


def environment(spec: dict[str, Any]) -> dict[str, Any]:
    """What a pod's one container gets: the value, the field of the pod that it is taken from, or
    the reference of a secret."""
    (container,) = spec["containers"]
    names = [one["name"] for one in container["env"]]
    assert len(names) == len(set(names)), "a name twice: the server would refuse it"
    return {one["name"]: _given(one) for one in container["env"]}


def _given(one: dict[str, Any]) -> Any:
    if "value" in one:
        return one["value"]
    source = one["valueFrom"]
    return source["fieldRef"]["fieldPath"] if "fieldRef" in source else source["secretKeyRef"]
