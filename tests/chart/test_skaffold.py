"""skaffold.yaml fits what it deploys: there is no skaffold here to say so."""

from __future__ import annotations

import copy
import fnmatch
import re
from typing import Any

import pytest
import yaml

from support.chart import ROOT, manifests, merged

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PROFILES = {one["name"]: one for one in CONFIG["profiles"]}
SECTIONS = {
    "apiVersion",
    "kind",
    "metadata",
    "build",
    "deploy",
    "verify",
    "profiles",
    "portForward",
}


def with_profile(name: str) -> dict[str, Any]:
    """The configuration as skaffold would patch it (RFC 6902, on what the paths name)."""
    config = copy.deepcopy({key: value for key, value in CONFIG.items() if key != "profiles"})
    profile = PROFILES[name]
    assert set(profile) <= {"name", "activation", "patches", "portForward"}
    for patch in profile["patches"]:
        *way, last = patch["path"].strip("/").split("/")
        place: Any = config
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        if patch["op"] == "replace":
            assert last in place
        else:
            assert patch["op"] == "add"
            assert last not in place
        place[last] = patch["value"]
    return config | {"portForward": profile.get("portForward", [])}


@pytest.fixture(params=PROFILES)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The configuration with each profile."""
    return with_profile(request.param)


def release(config: dict[str, Any]) -> dict[str, Any]:
    """The one release."""
    (one,) = config["deploy"]["helm"]["releases"]
    return dict(one)


def found(config: dict[str, Any]) -> list[dict[str, Any]]:
    """What the release renders to."""
    files = [
        yaml.safe_load((ROOT / path).read_text("utf-8"))
        for path in release(config).get("valuesFiles", [])
    ]
    image = {"image": {"reference": "homing:built"}}
    return manifests(merged(*files, image), release=release(config)["name"])


def test_the_profiles_are_there() -> None:
    """`dev` comes with `skaffold dev` by itself."""
    assert re.fullmatch(r"skaffold/v4beta\d+", CONFIG["apiVersion"])
    assert set(CONFIG) <= SECTIONS
    assert set(PROFILES) == {"dev", "ci"}
    assert PROFILES["dev"]["activation"] == [{"command": "dev"}]


def test_what_is_built_exists_and_is_what_is_deployed(config: dict[str, Any]) -> None:
    """The image has one name, its stage is in the Dockerfile, and the chart takes its reference."""
    (artifact,) = config["build"]["artifacts"]
    assert f" AS {artifact['docker']['target']}" in DOCKERFILE
    template = release(config)["setValueTemplates"]["image.reference"]
    assert template == f"{{{{.IMAGE_FULLY_QUALIFIED_{artifact['image']}}}}}"
    assert (ROOT / release(config)["chartPath"] / "Chart.yaml").exists()
    assert {check["container"]["image"] for check in config["verify"]} == {artifact["image"]}


def test_what_is_forwarded_and_verified_is_a_service_of_the_chart(config: dict[str, Any]) -> None:
    """By name, port and namespace."""
    services = {
        one["metadata"]["name"]: [port["port"] for port in one["spec"]["ports"]]
        for one in found(config)
        if one["kind"] == "Service"
    }
    for forward in config["portForward"]:
        assert forward["port"] in services[forward["resourceName"]]
        assert forward["namespace"] == release(config)["namespace"]
    for check in config["verify"]:
        (url,) = [one["value"] for one in check["container"]["env"]]
        name, namespace = url.removeprefix("http://").split(".")
        assert 80 in services[name]
        assert namespace == release(config)["namespace"]


def test_every_source_file_is_synced_to_where_the_image_runs_it() -> None:
    """As the dev stage copies them; all else is a new build."""
    (artifact,) = with_profile("dev")["build"]["artifacts"]
    rules = artifact["sync"]["manual"]
    places = {"/app": "COPY src src", "/app/domain": "COPY ${DOMAIN} domain"}
    assert all(places[rule["dest"]] in DOCKERFILE for rule in rules)
    sources = [
        str(path.relative_to(ROOT))
        for folder in ("src", "examples/locations/locations")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".js", ".css", ".html", ".svg")
    ]
    patterns = [rule["src"].replace("**/", "*") for rule in rules]
    assert sources
    assert [one for one in sources if not any(fnmatch.fnmatch(one, p) for p in patterns)] == []


def test_pods_of_the_dev_profile_can_be_written_to() -> None:
    """A sync is a `tar` inside the pod; all other pods are read-only."""
    written = [
        one["metadata"]["name"]
        for one in found(with_profile("dev"))
        for container in one.get("spec", {})
        .get("template", {})
        .get("spec", {})
        .get("containers", [])
        if not container["securityContext"]["readOnlyRootFilesystem"]
    ]
    assert set(written) >= {"homing-api", "homing-reactor", "homing-web"}
