"""Files of `deploy/` that are written by a program: the chart's copies of what the code says, and
the plain manifests. `make manifests` writes them; a test finds those that have drifted.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from homing.local import access
from homing.permissions import nats_users
from support import chart

DEPLOY = chart.ROOT / "deploy"
SUBCHARTS = chart.CHART / "charts"
WRITTEN = "Written by `make manifests`; not to be edited."
PASSWORDS = {
    access.SUPERUSER: "POSTGRES_PASSWORD",
    # The migrator comes last: once it can log in, the roles that it grants to are there.
    access.API: "API_PASSWORD",
    access.REACTOR: "REACTOR_PASSWORD",
    access.MIGRATOR: "MIGRATE_PASSWORD",
}
PLAIN = {
    "session": {"existingSecret": "homing-session"},
    "nats": {"auth": {"existingSecret": "homing-nats"}},
    "postgres": {"auth": {"existingSecret": "homing-postgres"}},
}
"""Values of the plain manifests: their Secrets are made by whoever applies them."""


def files() -> dict[Path, str]:
    """What should be where; the chart's own files first, as the manifests contain them."""
    return {
        SUBCHARTS / "nats" / "files" / "users.conf": f"# {WRITTEN}\n{nats_users()}",
        SUBCHARTS / "postgres" / "files" / "roles.sql": _roles(),
    }


def plain() -> dict[Path, str]:
    """The manifests without helm's marks, a namespace, or the test."""
    kept = [one for one in chart.manifests(PLAIN, release="homing") if not _hook(one)]
    for one in kept:
        for metadata in (one["metadata"], one.get("spec", {}).get("template", {}).get("metadata")):
            for mark in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
                (metadata or {}).get("labels", {}).pop(mark, None)
    documents = "---\n".join(yaml.safe_dump(one, sort_keys=False, width=100) for one in kept)
    return {DEPLOY / "k8s" / "homing.yaml": f"# {WRITTEN}\n{documents}"}


def write() -> None:
    """Write them all."""
    for make in (files, plain):
        for path, text in make().items():
            path.write_text(text, "utf-8")


def _roles() -> str:
    variables = "".join(f"\\getenv {role} {name}\n" for role, name in PASSWORDS.items())
    roles = "".join(access.role_sql(role, f":'{role}'") for role in PASSWORDS)
    database = access.database_sql(access.DATABASE)
    return f"-- {WRITTEN}\n{variables}BEGIN;\n{roles}COMMIT;\n{database}"


def _hook(manifest: chart.Manifest) -> bool:
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


if __name__ == "__main__":
    write()
