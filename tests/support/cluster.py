"""A Kubernetes cluster for tests, with our images in it: `python -m support.cluster COMMAND`.

    up               bring a cluster up, build the images, load them, say how to use it
    run COMMAND …    the same, run a command in its environment, take down what was brought up
    down             take it down

Which cluster: the one of `HOMING_CLUSTER_KIT` (the path of a program with the commands up, base,
images, load, env, status and down), else a kind cluster, where `kind` and Docker are. With
`HOMING_E2E_IMAGE` set nothing is built or brought up: the image is one that the cluster of
`KUBECONFIG` can pull, and has the `tally` domain in it (tests/e2e/Dockerfile); so is the one of
`HOMING_E2E_PROMETHEUS`, the project's own by default.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
IMAGE, WITH_TALLY = "homing:e2e", "homing-e2e:e2e"
PROMETHEUS, UPSTREAM = "homing-prometheus:e2e", "prom/prometheus:v2.53.4"
KIND_NAME = "homing-e2e"


class Cluster(Protocol):
    """Where the images are to run."""

    python_image: str | None
    """The base of the build, if not the Dockerfile's own."""
    values: Mapping[str, str]
    """Chart values that this cluster asks for."""

    def is_up(self) -> bool:
        """Whether it is there already."""
        ...

    def up(self) -> None:
        """Bring it up. Repeating it is harmless."""
        ...

    def environ(self) -> dict[str, str]:
        """What programs need that use it."""
        ...

    def load(self, *images: str) -> None:
        """Give it images of the local Docker engine."""
        ...

    def down(self) -> None:
        """Remove it."""
        ...


class Kit:
    """A cluster without a registry, whose stand-ins have names of their own."""

    python_image: str | None = "homing-base:local"
    values: Mapping[str, str] = {
        "nats.image.repository": "nats",
        "nats.image.tag": "2.15-local",
        "postgres.image.repository": "postgres",
        "postgres.image.tag": "18-local",
    }

    def __init__(self, program: str) -> None:
        self._program = program

    def is_up(self) -> bool:
        """Whether it says so."""
        asked = subprocess.run([self._program, "env"], capture_output=True)
        return asked.returncode == 0

    def up(self) -> None:
        """The cluster, a Docker engine and the stand-ins."""
        for command in ("up", "base", "images"):
            run(self._program, command)

    def environ(self) -> dict[str, str]:
        """As its `env` sets it."""
        script = f'set -a; eval "$({shlex.quote(self._program)} env)"; env -0'
        said = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
        return dict(line.split("=", 1) for line in said.stdout.split("\0") if line)

    def load(self, *images: str) -> None:
        """The stand-ins too."""
        run(self._program, "load", *images, "nats:2.15-local", "postgres:18-local")

    def down(self) -> None:
        """With its Docker engine."""
        run(self._program, "down", "--all")


class Kind:
    """Kubernetes in Docker."""

    python_image: str | None = None
    values: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._kubeconfig = Path(tempfile.gettempdir()) / f"{KIND_NAME}.kubeconfig"

    def is_up(self) -> bool:
        """Whether there is one of this name."""
        said = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True)
        return KIND_NAME in said.stdout.split()

    def up(self) -> None:
        """One with the ports of deploy/k8s/kind.yaml."""
        if not self.is_up():
            config = ROOT / "deploy/k8s/kind.yaml"
            run("kind", "create", "cluster", "--name", KIND_NAME, "--config", str(config),
                "--kubeconfig", str(self._kubeconfig), "--wait", "120s")  # fmt: skip

    def environ(self) -> dict[str, str]:
        """Its own kubeconfig: the user's is left alone."""
        return {**os.environ, "KUBECONFIG": str(self._kubeconfig)}

    def load(self, *images: str) -> None:
        """Into every node."""
        run("kind", "load", "docker-image", "--name", KIND_NAME, *images)

    def down(self) -> None:
        """All of it."""
        run("kind", "delete", "cluster", "--name", KIND_NAME)


def run(*command: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a program, or end with what it was and how it failed."""
    ended = subprocess.run(command, env=environ, cwd=ROOT)
    if ended.returncode:
        sys.exit(f"{shlex.join(command)} failed with {ended.returncode}")


def chosen() -> Cluster:
    """The cluster to use; ends with what is missing if there is none."""
    if program := os.environ.get("HOMING_CLUSTER_KIT"):
        if not os.access(program, os.X_OK):
            sys.exit(f"HOMING_CLUSTER_KIT is not a program: {program}")
        return Kit(program)
    missing = [name for name in ("kind", "docker", "helm", "kubectl") if not shutil.which(name)]
    if missing:
        sys.exit(
            f"end-to-end tests need a cluster; on the PATH is no {', '.join(missing)} "
            "(or set HOMING_CLUSTER_KIT, or KUBECONFIG and HOMING_E2E_IMAGE)"
        )
    return Kind()


def build(cluster: Cluster) -> None:
    """The image, and the one with the tests' own domain on top of it."""
    base = [f"--build-arg=PYTHON_IMAGE={cluster.python_image}"] if cluster.python_image else []
    network = ["--network=host"] if cluster.python_image else []
    run("docker", "build", "--quiet", *network, *base, "-t", IMAGE, ".")
    run("docker", "build", "--quiet", f"--build-arg=IMAGE={IMAGE}", "-t", WITH_TALLY,
        "-f", "tests/e2e/Dockerfile", "tests/support/tally")  # fmt: skip
    other = [f"--build-arg=BASE={cluster.python_image}"] if cluster.python_image else []
    run("docker", "build", "--quiet", *network, *other, "-t", PROMETHEUS, "tests/e2e/prometheus")


def ready(cluster: Cluster) -> dict[str, str]:
    """Bring it up with the images in it; the environment for tests."""
    began = time.monotonic()
    cluster.up()
    say(f"the cluster is up after {time.monotonic() - began:.0f} s; building the images")
    build(cluster)
    cluster.load(IMAGE, WITH_TALLY, PROMETHEUS)
    say(f"the images are in it after {time.monotonic() - began:.0f} s")
    repository, tag = WITH_TALLY.split(":")
    values = {"image.repository": repository, "image.tag": tag, **cluster.values}
    said = ",".join(f"{name}={value}" for name, value in values.items())
    return {
        **cluster.environ(),
        "HOMING_E2E_VALUES": said,
        "HOMING_E2E_PROMETHEUS": PROMETHEUS,
    }


def given() -> dict[str, str]:
    """The environment for a cluster that somebody else brought up."""
    repository, _, tag = os.environ["HOMING_E2E_IMAGE"].rpartition(":")
    values = f"image.repository={repository},image.tag={tag}"
    more = os.environ.get("HOMING_E2E_VALUES")
    return {
        "HOMING_E2E_PROMETHEUS": UPSTREAM,
        **os.environ,
        "HOMING_E2E_VALUES": f"{values},{more}" if more else values,
    }


def say(text: str) -> None:
    """One line of progress."""
    print(f"--- {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    """See the module. Returns the exit code."""
    match words:
        case ["up"]:
            cluster = chosen()
            environ = ready(cluster)
            for name in ("KUBECONFIG", "PATH", "HOMING_E2E_VALUES", "HOMING_E2E_PROMETHEUS"):
                print(f"export {name}={shlex.quote(environ[name])}")
            return 0
        case ["run", *command] if command:
            if os.environ.get("HOMING_E2E_IMAGE"):
                return subprocess.run(command, env=given(), cwd=ROOT).returncode
            cluster = chosen()
            was_up = cluster.is_up()
            try:
                return subprocess.run(command, env=ready(cluster), cwd=ROOT).returncode
            finally:
                if not was_up:
                    cluster.down()
        case ["down"]:
            chosen().down()
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
