"""What `make manifests` writes is what lies in the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from support import generated
from support.chart import ROOT
from support.programs import program

SCRIPT = ROOT / "deploy" / "k8s" / "make-secrets.sh"


@pytest.mark.parametrize("make", [generated.files, generated.plain])
def test_nothing_generated_has_drifted(make: object) -> None:
    """Permissions and roles in the chart are the code's; the plain manifests are the chart's."""
    assert callable(make)
    for path, text in make().items():
        assert path.read_text("utf-8") == text, f"{path} is out of date: make manifests"


def test_the_manifests_have_no_secret() -> None:
    """Who applies them makes them."""
    kinds = [one["kind"] for one in yaml.safe_load_all((SCRIPT.parent / "homing.yaml").read_text())]
    assert "Secret" not in kinds


def test_kustomize_builds_with_the_secrets_of_the_script(tmp_path: Path) -> None:
    """All pods find their secrets by name; a second run of the script changes none."""
    folder = tmp_path / "k8s"
    folder.mkdir()
    for path in SCRIPT.parent.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    made = []
    for _ in range(2):
        subprocess.run(["sh", folder / SCRIPT.name], check=True, capture_output=True)
        built = subprocess.run(
            [program("kubectl"), "kustomize", folder], check=True, capture_output=True, text=True
        ).stdout
        made.append(built)
    assert made[0] == made[1]
    found = list(yaml.safe_load_all(made[0]))
    assert all(one["metadata"].get("namespace", "homing") == "homing" for one in found)
    secrets = {
        one["metadata"]["name"]: set(one["data"]) for one in found if one["kind"] == "Secret"
    }
    wanted = [
        reference["valueFrom"]["secretKeyRef"]
        for one in found
        for container in one.get("spec", {})
        .get("template", {})
        .get("spec", {})
        .get("containers", [])
        for reference in container["env"]
        if "valueFrom" in reference
    ]
    assert wanted
    assert all(reference["key"] in secrets[reference["name"]] for reference in wanted)
