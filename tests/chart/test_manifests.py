"""Every form that the chart can take is what Kubernetes accepts."""

from __future__ import annotations

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from support.cases import CASES, NEWEST, OLDEST, environment, pods, rendered
from support.chart import GIVEN, manifests, merged, text

OPERATOR = "monitoring.coreos.com/v1"
"""Kinds of its own; `test_monitoring` looks at them."""
RELEASES = ("n", "1234", "true", "a.b", "homing", "x" * 53)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("case", CASES)
def test_every_form_is_valid_on_the_oldest_and_the_newest_kubernetes(
    case: str, version: str
) -> None:
    """No field is misspelt, of the wrong type, or newer than the oldest that we support."""
    found = [one for one in rendered(case, version=version) if one["apiVersion"] != OPERATOR]
    assert found
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_may_have_any_name(release: str) -> None:
    """Names are valid and short enough, and what looks like a number stays text."""
    found = manifests(GIVEN, release=release)
    for one in found:
        kubernetes_validate.validate(one, NEWEST, strict=True)
        name = one["metadata"]["name"]
        # A StatefulSet's pods carry its name and a hash in a label; a Job's carry its name.
        assert len(name) <= (52 if one["kind"] == "StatefulSet" else 63), name
        if one["kind"] == "Service":
            assert name[0].isalpha(), name
            assert "." not in name
    identities = {(one["kind"], one["metadata"]["name"]) for one in found}
    assert len(identities) == len(found)


@pytest.mark.parametrize("case", CASES)
def test_labels_annotations_and_variables_are_text(case: str) -> None:
    """YAML's numbers and truths are refused there by the server."""
    for one in rendered(case):
        template = one.get("spec", {}).get("template", {})
        for metadata in (one["metadata"], template.get("metadata", {})):
            for kind in ("labels", "annotations"):
                assert all(isinstance(value, str) for value in metadata.get(kind, {}).values())
    for spec in pods(rendered(case)).values():
        assert all(isinstance(value, str | dict) for value in environment(spec).values())


@pytest.mark.parametrize("case", CASES)
def test_what_has_its_secrets_renders_the_same_every_time(case: str) -> None:
    """A repeated rendering is no change, so that a diff shows what was changed by somebody."""
    again = merged(CASES[case], {"global": {"again": 1}})
    assert text(CASES[case]) == text(again)


def test_what_selects_pods_never_changes() -> None:
    """Selectors of Deployments cannot be changed by an upgrade, so no version is in them."""
    for one in rendered("trial"):
        selector = one.get("spec", {}).get("selector")
        if selector:
            labels = selector.get("matchLabels", selector)
            assert set(labels) == {
                f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")
            }


def test_the_migration_is_a_plain_job_named_by_what_it_is_made_of() -> None:
    """Jobs cannot be changed: another image or setting makes another Job, the same makes none."""

    def job(*changes: dict[str, object]) -> str:
        found = manifests(merged(GIVEN, *changes))
        (one,) = [one for one in found if one["kind"] == "Job"]
        assert "annotations" not in one["metadata"]  # a hook would be one
        return str(one["metadata"]["name"])

    assert job().startswith("trial-homing-migrate-0-1-0-")
    assert job() == job({"api": {"replicas": 7}})
    names = {job(), job({"image": {"tag": "other"}}), job({"stream": {"maxBytes": 2097152}})}
    assert len(names) == 3


def test_no_replicas_where_an_autoscaler_owns_them() -> None:
    """A server-side apply of a number that somebody else owns makes the upgrade fail."""
    deployments = [one for one in rendered("autoscaled") if one["kind"] == "Deployment"]
    assert len(deployments) == 3
    assert all("replicas" not in one["spec"] for one in deployments)
    assert all(one["spec"]["replicas"] for one in rendered("trial") if one["kind"] == "Deployment")
