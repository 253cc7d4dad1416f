"""What a process says when it is scraped, as Prometheus reads it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@dataclass(frozen=True)
class Page:
    """One scrape."""

    samples: tuple[Sample, ...]

    def get(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of this name with these labels, and any others; None without."""
        found = [
            one.value
            for one in self.samples
            if one.name == name and labels.items() <= one.labels.items()
        ]
        return sum(found) if found else None

    def value(self, name: str, **labels: str) -> float:
        """The same; one that is missing is an error."""
        found = self.get(name, **labels)
        assert found is not None, f"no {name} {labels}"
        return found

    def exemplars(self, name: str, **labels: str) -> set[str]:
        """The traces that the samples of this name lead to."""
        return {
            one.exemplar.labels["trace_id"]
            for one in self.samples
            if one.name == name and labels.items() <= one.labels.items() and one.exemplar
        }

    @property
    def names(self) -> set[str]:
        """Of all samples of ours."""
        return {one.name for one in self.samples if one.name.startswith("homing_")}


async def scraped(port: int) -> Page:
    """Scrape an internal port."""
    async with httpx.AsyncClient() as one:
        answer = await one.get(f"http://127.0.0.1:{port}/metrics", headers=OPENMETRICS, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = text_string_to_metric_families(answer.text)
    return Page(tuple(sample for family in families for sample in family.samples))
