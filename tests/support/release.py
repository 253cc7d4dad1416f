"""One release of the chart, and the pods of it: installed, scaled, killed, restarted, removed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import kr8s
from kr8s.asyncio.objects import APIObject, Deployment, Node, Pod

from support.running import until_answers
from support.waiting import until

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/homing"
NAME = NAMESPACE = "homing-e2e"
NODE_PORT = 30080
ROLLED_OUT_SECONDS = 120.0
GONE_SECONDS = 90.0
K = TypeVar("K", bound=APIObject)
RESTARTED = "kubectl.kubernetes.io/restartedAt"


class Release:
    """The chart, as somebody runs it."""

    def __init__(self) -> None:
        self.installed_at = 0.0
        """When the last install was begun, on the monotonic clock."""

    async def helm(self, *words: str) -> str:
        """Run helm in the namespace; what it printed. Fails with what it complained of."""
        return await _program("helm", *words, "--namespace", NAMESPACE)

    async def install(self) -> None:
        """From nothing to ready."""
        self.installed_at = time.monotonic()
        values = [os.environ["HOMING_E2E_VALUES"], "web.service.type=NodePort",
                  f"web.service.nodePort={NODE_PORT}"]  # fmt: skip
        await self.helm("install", NAME, str(CHART), "--create-namespace", "--wait",
                        "--timeout", "3m", "--set", ",".join(values))  # fmt: skip
        # The pods are ready; that each node knows both Services is not what Helm waits for.
        await until_answers(f"{await self.url()}/api/session")

    async def uninstall(self) -> None:
        """Remove it, and wait until its pods are gone."""
        await self.helm("uninstall", NAME, "--wait", "--timeout", "2m")

        async def gone() -> bool:
            return not await self.pods()

        await until(gone, GONE_SECONDS, pause=0.5)

    async def wipe(self) -> None:
        """Remove the namespace and all that is in it, data included."""
        await _program("kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")

    async def url(self) -> str:
        """Where the web Service answers: its port of any node."""
        return f"http://{await self.address()}:{NODE_PORT}"

    async def address(self) -> str:
        """Of a node."""
        nodes = [node async for node in Node.list(api=await api())]
        (address, *_) = [
            one["address"] for one in nodes[0].status.addresses if one["type"] == "InternalIP"
        ]
        return str(address)

    async def pods(self, component: str | None = None) -> dict[str, Pod]:
        """The pods of a component, or all but those of Jobs, by uid; those that end included."""
        wanted = {"app.kubernetes.io/instance": NAME}
        if component:
            wanted["app.kubernetes.io/component"] = component
        found = await _listed(Pod, label_selector=wanted)
        jobs = "batch.kubernetes.io/job-name"
        return {pod.metadata.uid: pod for pod in found if jobs not in pod.labels}

    async def restarts(self) -> dict[str, int]:
        """How often a container of a pod that is there now was started again, if it was."""
        counts = {
            pod.name: sum(one["restartCount"] for one in pod.status.get("containerStatuses", ()))
            for pod in (await self.pods()).values()
        }
        return {name: count for name, count in counts.items() if count}

    async def kill(self, component: str, *, grace_seconds: int | None = None) -> None:
        """Delete every pod of a component; return when others are ready in their place."""
        before = await self.pods(component)
        assert before, f"no pod of {component}"
        for pod in before.values():
            await pod.delete(grace_period=grace_seconds)
        await self.replaced(component, before)

    async def restart(self, component: str) -> None:
        """As `kubectl rollout restart`; return when every pod is another one."""
        before = await self.pods(component)
        deployment = await self.deployment(component)
        await deployment.patch(
            {"spec": {"template": {"metadata": {"annotations": {RESTARTED: str(time.time())}}}}}
        )
        await self.replaced(component, before)

    async def scale(self, component: str, replicas: int) -> None:
        """Return when exactly so many are there, and ready."""
        deployment = await self.deployment(component)
        await deployment.scale(replicas)
        await self._ready(component, lambda pods: len(pods) == replicas)

    async def replaced(self, component: str, before: Iterable[str]) -> None:
        """Wait until as many are ready as there were, and none is one of those."""
        former = set(before)
        await self._ready(
            component, lambda pods: len(pods) == len(former) and not former & pods.keys()
        )

    async def _ready(self, component: str, right: Callable[[dict[str, Pod]], bool]) -> None:
        async def reached() -> bool:
            pods = await self.pods(component)
            return right(pods) and all([await pod.ready() for pod in pods.values()])

        await until(reached, ROLLED_OUT_SECONDS, pause=0.3)

    async def deployment(self, component: str) -> Deployment:
        """The Deployment of a component."""
        return await Deployment.get(f"{NAME}-{component}", namespace=NAMESPACE, api=await api())

    async def left(self, *kinds: type[APIObject]) -> list[str]:
        """What there is of these kinds in the namespace, besides what Kubernetes puts there."""
        found = [f"{one.kind}/{one.name}" for kind in kinds for one in await _listed(kind)]
        theirs = {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}
        return sorted(set(found) - theirs)

    async def story(self) -> str:
        """What a person looks at when it went wrong: pods, events, the ends of the logs."""
        logs = ("logs", "--selector", f"app.kubernetes.io/instance={NAME}", "--all-containers",
                "--prefix", "--tail=100", "--max-log-requests=30")  # fmt: skip
        asked = (
            ("get", "pods", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            (*logs, "--previous", "--ignore-errors"),
            logs,
        )
        return "\n".join([await _tried("kubectl", *words, "-n", NAMESPACE) for words in asked])


async def api() -> kr8s.asyncio.Api:
    """The cluster of `KUBECONFIG`."""
    return await kr8s.asyncio.api()


async def _listed(kind: type[K], **wanted: Any) -> list[K]:
    found = kind.list(namespace=NAMESPACE, api=await api(), **wanted)
    return [one async for one in found if isinstance(one, kind)]


async def _program(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, f"{' '.join(command)}\n{said.decode()}"
    return said.decode()


async def _tried(*command: str) -> str:
    try:
        return await _program(*command)
    except AssertionError as error:
        return str(error)
