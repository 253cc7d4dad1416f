"""A real Prometheus that scrapes a few processes of this machine, and what one asks it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from homing.local import ports
from support.running import until_answers
from support.waiting import until

JOB = "homing"
PACE_SECONDS = 1.0
Series = dict[str, Any]


class Scraped(NamedTuple):
    """When the first target and when the last one was scraped, by Prometheus's clock."""

    first: float
    last: float


class Asking:
    """Puts questions to a Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, expr: str, at: float | None = None) -> list[Series]:
        """The answer to a query, now or at a time of the epoch: an instant vector."""
        more = {} if at is None else {"time": str(at)}
        return await self._get("query", query=expr, **more)

    async def over(self, expr: str, since: float, until: float) -> list[Series]:
        """The same at each step between two times."""
        step = max(PACE_SECONDS, (until - since) / 200)
        asked = {"start": str(since), "end": str(until), "step": str(step)}
        return await self._get("query_range", query=expr, **asked)

    async def value(self, expr: str, at: float | None = None) -> float:
        """The one number that a query answers with."""
        (one,) = await self.ask(expr, at)
        return float(one["value"][1])

    async def exemplars(self, expr: str, since: float, until: float) -> list[Series]:
        """What leads to traces."""
        return await self._get("query_exemplars", query=expr, start=str(since), end=str(until))

    async def _get(self, what: str, **asked: str) -> list[Series]:
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            answer = await client.get(f"/api/v1/{what}", params=asked)
        said = answer.json()
        assert said["status"] == "success", said
        data = said["data"]
        return list(data if isinstance(data, list) else data["result"])


class Prometheus(Asking):
    """Scrapes once a second, and evaluates its rules as often."""

    def __init__(self, folder: Path, rules: Path | None = None) -> None:
        """`folder` is for its data, `rules` has the alerts."""
        (self._port,) = ports.free()
        super().__init__(f"http://127.0.0.1:{self._port}")
        self._folder = folder
        self._targets = folder / "targets.json"
        self._count = 0
        self._rules = [str(path) for path in sorted(rules.glob("*.yaml"))] if rules else []
        self._running: subprocess.Popen[bytes] | None = None

    async def start(self, internal: Sequence[int]) -> None:
        """Scrape these internal ports from now on."""
        self._scrape(internal)
        log = self._folder / "log"
        self._launch(log)
        try:
            await until_answers(f"{self.url}/-/ready")
        except AssertionError:
            raise AssertionError(log.read_text("utf-8")) from None

    def _launch(self, log: Path) -> None:
        config = self._folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config()), "utf-8")
        with log.open("ab") as output:
            self._running = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--enable-feature=exemplar-storage",
                    "--log.level=warn",
                ],
                stdout=output,
                stderr=output,
            )

    async def stop(self) -> None:
        """End it."""
        if self._running is not None:
            self._running.terminate()
            await asyncio.to_thread(self._running.wait, 30)

    async def firing(self) -> set[str]:
        """The alerts that fire now."""
        found = await self.ask('ALERTS{alertstate="firing"}')
        return {one["metric"]["alertname"] for one in found}

    async def scraped(self) -> Scraped:
        """Wait until each target was scraped after now."""
        began = (await self.ask("vector(time())"))[0]["value"][0]

        async def fresh() -> Scraped | None:
            found = await self.ask(f'timestamp(up{{job="{JOB}"}})')
            times = sorted(float(one["value"][1]) for one in found)
            all_of_them = len(times) == self._count and times[0] > began
            return Scraped(times[0], times[-1]) if all_of_them else None

        return await until(fresh, 30, pause=0.1)

    def _scrape(self, internal: Sequence[int]) -> None:
        targets = [{"targets": [f"127.0.0.1:{port}" for port in internal]}]
        self._count = len(internal)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False) as file:
            json.dump(targets, file)
        Path(file.name).replace(self._targets)

    def _config(self) -> dict[str, Any]:
        pace = f"{PACE_SECONDS:g}s"
        every = {"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace}
        files = [{"files": [str(self._targets)], "refresh_interval": "1s"}]
        scrape = [{"job_name": JOB, "file_sd_configs": files}]
        return {"global": every, "rule_files": self._rules, "scrape_configs": scrape}


@asynccontextmanager
async def running_prometheus(
    internal: Sequence[int], rules: Path | None = None
) -> AsyncIterator[Prometheus]:
    """One that scrapes these internal ports."""
    with tempfile.TemporaryDirectory(prefix="homing-test-") as folder:
        prometheus = Prometheus(Path(folder), rules)
        try:
            await prometheus.start(internal)
            yield prometheus
        finally:
            await prometheus.stop()
