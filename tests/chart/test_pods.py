"""What holds for every pod of the chart."""

from __future__ import annotations

import pytest

from homing.permissions import NATS, POSTGRES
from homing.settings import (
    ApiSettings,
    Logging,
    MigrateSettings,
    ReactorSettings,
    WebSettings,
    load,
)
from support.cases import CASES, environment, pods, rendered
from support.chart import GIVEN, manifests, merged

SETTINGS: dict[str, type[Logging]] = {
    "api": ApiSettings,
    "reactor": ReactorSettings,
    "web": WebSettings,
    "migrate": MigrateSettings,
}
SERVED = ("api", "web")


@pytest.mark.parametrize("case", CASES)
def test_every_pod_keeps_to_restricted_pod_security(case: str) -> None:
    """No root, no privilege, no writing but in volumes, no token of the cluster."""
    for component, spec in pods(rendered(case)).items():
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"].endswith(component)
        around = spec["securityContext"]
        assert around["runAsNonRoot"] is True
        assert around["runAsUser"] > 0
        assert around["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@pytest.mark.parametrize("case", CASES)
def test_every_pod_says_what_it_needs_and_how_much_at_most(case: str) -> None:
    """Memory is limited; processor time is not, as a limit only makes what is late later."""
    for spec in pods(rendered(case)).values():
        for container in spec["containers"]:
            assert container["resources"]["requests"]["cpu"]
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("case", CASES)
def test_every_image_is_named_with_a_version(case: str) -> None:
    """`latest` is another one tomorrow."""
    for spec in pods(rendered(case)).values():
        for container in spec["containers"]:
            name = container["image"].rpartition("/")[2]
            assert ":" in name
            assert not name.endswith(":latest")


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_a_setting_of_its_process(case: str) -> None:
    """What a process does not know it would ignore in silence; what it reads, it accepts."""
    for component, spec in pods(rendered(case)).items():
        if (kind := SETTINGS.get(component)) is None:
            continue
        known = {f"HOMING_{field.upper()}" for field in kind.__struct_fields__}
        given = environment(spec)
        ours = {name: value for name, value in given.items() if name.startswith("HOMING_")}
        assert set(ours) <= known
        secrets = {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL": "postgresql://x"}
        said = {name: secrets.get(name, "s" * 32) for name in ours}
        load(kind, said | {name: v for name, v in ours.items() if isinstance(v, str)})


@pytest.mark.parametrize("case", CASES)
def test_each_process_gets_its_own_secrets_alone(case: str) -> None:
    """The API cannot log in as a reactor, and nobody but the migration as the migrator."""
    for component in ("api", "reactor", "migrate", "web", "test"):
        given = environment(pods(rendered(case))[component])
        given.pop("OTEL_EXPORTER_OTLP_HEADERS", None)  # the collector's, for all who send to it
        keys = {ref["key"] for ref in given.values() if isinstance(ref, dict)}
        operated = {"token"} if case in ("external-secrets", "everything") else set()
        mine = {"api": {"api", "keys"} | operated, "web": set(), "test": set()}
        assert keys == mine.get(component, {component})


@pytest.mark.parametrize("case", CASES)
def test_operators_reach_the_api_by_the_web_process_or_not_at_all(case: str) -> None:
    """A Service for the internal port that nothing else names; none if there is no such page."""
    found = rendered(case)
    inside = [
        one
        for one in found
        if one["kind"] == "Service" and any(p["port"] == 9090 for p in one["spec"]["ports"])
    ]
    url = environment(pods(found)["web"]).get("HOMING_API_INTERNAL_URL")
    if case == "external-urls":
        assert (inside, url) == ([], None)
        return
    (service,) = inside
    assert service["spec"]["selector"]["app.kubernetes.io/component"] == "api"
    assert service["spec"]["type"] == "ClusterIP"
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["internal"]
    assert url == f"http://{service['metadata']['name']}:9090"


def test_users_and_roles_are_those_of_the_permissions() -> None:
    """Each process logs in as the one whose rights `homing.permissions` lists."""
    for component in ("api", "reactor", "migrate"):
        given = environment(pods(rendered("trial"))[component])
        assert component in NATS
        assert given["HOMING_NATS_URL"].startswith(f"nats://homing_{component}:$(NATS_PASSWORD)@")
        role = f"homing_{component}" if component in POSTGRES else "homing_migrator"
        assert given["HOMING_POSTGRES_URL"].startswith(f"postgresql://{role}:$(POSTGRES_PASSWORD)@")


@pytest.mark.parametrize("case", CASES)
def test_a_pod_has_time_to_leave(case: str) -> None:
    """It serves until proxies know, spreads the ends of its streams, and is killed only later."""
    for component in ("api", "reactor", "web"):
        spec = pods(rendered(case))[component]
        (container,) = spec["containers"]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = float(environment(spec)["HOMING_DRAIN_SECONDS"])
        assert spec["terminationGracePeriodSeconds"] >= pause + drain + 10
        if component in SERVED and case != "everything":
            assert pause >= 10


@pytest.mark.parametrize("case", CASES)
def test_probes_ask_the_internal_port_alone(case: str) -> None:
    """And no Service leads to it, but the one that the operators' page needs."""
    for component in ("api", "reactor", "web"):
        (container,) = pods(rendered(case))[component]["containers"]
        for probe, path in (("startup", "livez"), ("liveness", "livez"), ("readiness", "readyz")):
            asked = container[f"{probe}Probe"]["httpGet"]
            assert asked == {"path": f"/{path}", "port": "internal"}
        assert {"name": "internal", "containerPort": 9090, "protocol": "TCP"} in container["ports"]
    services = [one for one in rendered(case) if one["kind"] == "Service"]
    public = [one for one in services if not one["metadata"]["name"].endswith("-api-internal")]
    assert public
    for one in public:
        assert [port["targetPort"] for port in one["spec"]["ports"]] != ["internal"]


def test_replicas_are_spread_and_leave_one_at_a_time() -> None:
    """Over zones and nodes; and an update starts a new pod before it ends an old one."""
    found = rendered("trial")
    for component in ("api", "reactor", "web"):
        keys = [s["topologyKey"] for s in pods(found)[component]["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    budgets = [one for one in found if one["kind"] == "PodDisruptionBudget"]
    assert [one["spec"]["maxUnavailable"] for one in budgets] == [1, 1, 1]
    for one in found:
        if one["kind"] == "Deployment":
            assert one["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_new_secret_restarts_what_uses_it() -> None:
    """The annotation changes with what was given, so that the pods of an upgrade know it."""
    marks = {
        one["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for case in ("trial", "external-urls", "external-secrets", "own-nats", "own-postgres")
        for one in rendered(case)
        if one["kind"] == "Deployment"
    }
    assert len(marks) == 5


def test_a_stream_is_adopted_by_a_job_of_its_own() -> None:
    """With another name than the migration that has run already; without it, never."""
    jobs = {}
    for adopting in (False, True):
        found = manifests(merged(GIVEN, {"migrate": {"adoptStream": adopting}}))
        (jobs[adopting],) = [one for one in found if one["kind"] == "Job"]
        (container,) = pods(found)["migrate"]["containers"]
        assert container["args"] == ["migrate", *(["--adopt-stream"] if adopting else [])]
    assert jobs[True]["metadata"]["name"] != jobs[False]["metadata"]["name"]
