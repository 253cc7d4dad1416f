"""The chart, rendered by the real helm."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from support.programs import program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "homing"
Manifest = dict[str, Any]
GIVEN: dict[str, Any] = {
    "session": {"keys": "k" * 32},
    "nats": {"auth": {"passwords": dict.fromkeys(("migrate", "api", "reactor"), "p" * 20)}},
    "postgres": {
        "auth": {"passwords": dict.fromkeys(("superuser", "migrate", "api", "reactor"), "p" * 20)}
    },
}
"""Values with all secrets in them: what is rendered with them is always the same."""


class Refused(Exception):
    """Helm would not render; its words."""


def text(
    values: dict[str, Any] | None = None, *, release: str = "trial", version: str = "1.36"
) -> str:
    """What `helm template` prints."""
    return _text(json.dumps(values or {}, sort_keys=True), release, version)


def manifests(
    values: dict[str, Any] | None = None, *, release: str = "trial", version: str = "1.36"
) -> list[Manifest]:
    """The same, read."""
    rendered = text(values, release=release, version=version)
    return [one for one in yaml.safe_load_all(rendered) if one]


def merged(*some: dict[str, Any]) -> dict[str, Any]:
    """Values over values, as helm merges them."""
    result: dict[str, Any] = {}
    for values in some:
        for name, value in values.items():
            before = result.get(name)
            both = isinstance(before, dict) and isinstance(value, dict)
            result[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


@functools.cache
def _text(values: str, release: str, version: str) -> str:
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "values.json"
        file.write_text(values)
        done = subprocess.run(
            [
                *(program("helm"), "template", release, str(CHART), "--namespace", "homing"),
                *("--values", str(file), "--kube-version", version),
            ],
            capture_output=True,
            text=True,
            # no plugin, repository or cluster of whoever runs this
            env={"PATH": os.defpath, "HOME": home},
            check=False,
        )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout
