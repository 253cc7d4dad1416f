"""The catalogue of metrics: what uses a name uses one that exists, and no label grows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from homing import telemetry
from homing.lifecycle import Lifecycle
from homing.scraping import Scrape
from homing.telemetry import CATALOGUE
from support import tables

ROOT = Path(__file__).parents[2]
USERS = [
    *ROOT.glob("deploy/helm/homing/**/*"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md",
]  # fmt: skip
NAME = re.compile(r"\bhoming_[a-z0-9_]*[a-z0-9]\b")
NO_METRICS = {"homing_api", "homing_reactor", "homing_web", "homing_migrator", "homing_migrate"}
"""Packages, and accounts of Postgres and NATS."""
SAMPLES = {name for entry in CATALOGUE.values() for name in entry.samples}
OPEN = {"type", "route", "method", "status", "partition", "pool", "version", "python"}
"""Labels whose values something else bounds."""


def unknown(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What looks like a metric of ours and is none: where, and which."""
    for where, text in texts:
        for name in sorted(set(NAME.findall(text)) - NO_METRICS - SAMPLES - CATALOGUE.keys()):
            yield f"{where}: {name}"


def users() -> Iterator[tuple[str, str]]:
    """Everything that names metrics."""
    for path in USERS:
        if path.is_file() and path.suffix not in (".png", ".tgz"):
            yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def test_boards_alerts_chart_and_docs_use_names_that_exist() -> None:
    """In queries, in templates and in prose."""
    assert list(unknown(users())) == []


@pytest.mark.parametrize(
    "text",
    [
        "sum(rate(homing_step_second_bucket[5m]))",
        "homing_commands_accepted",  # a counter is asked for as _total
        "homing_lag_seconds_sum",  # a gauge has no sum
        "`homing_streams`",
    ],
)
def test_a_name_that_does_not_exist_is_found(text: str) -> None:
    """The test above fails on it, wherever it stands."""
    assert len(list(unknown([("planted", text)]))) == 1


def test_names_that_exist_are_not_found() -> None:
    """Neither a histogram's samples, nor its name alone, nor what is no metric."""
    text = "homing_step_seconds_bucket homing_step_seconds homing_lag_seconds homing_api homing_"
    assert list(unknown([("planted", text)])) == []


def test_the_tables_in_the_docs_are_the_catalogue() -> None:
    """Name, type, unit, labels, meaning."""
    for path, text in tables.files().items():
        assert path.read_text("utf-8") == text, f"{path} is out of date: make tables"


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_each_metric_says_what_it_is(entry: telemetry.Entry) -> None:
    """By its name as by its meaning; a label lists its values, or is bounded by something else."""
    assert entry.name.endswith("_total") == (entry.kind == "counter")
    assert len(entry.meaning) > 10
    assert entry.processes
    for label, values in entry.labels.items():
        assert values or label in OPEN, f"who bounds {label}?"
        assert all(re.fullmatch(r"[a-z0-9-]+", value) for value in values)


async def test_each_process_exposes_its_own_metrics_alone() -> None:
    """A reactor says nothing of streams; what is to be measured and is not known is absent."""
    for process in ("api", "reactor", "web"):
        scrape = Scrape(process, Lifecycle())
        _, _, body = await scrape.answer("")
        families = set(re.findall(r"^# TYPE (homing_\w+) ", body.decode(), re.M))
        assert families == {
            entry.name
            for entry in CATALOGUE.values()
            if process in entry.processes and (not entry.scraped or entry.metric is telemetry.BUILD)
        }


async def test_counters_begin_at_zero() -> None:
    """Whoever looks for a rise sees the first one too."""
    telemetry.begin_at_zero("reactor", ["zero.made"])
    _, _, body = await Scrape("reactor", Lifecycle()).answer("")
    statuses = CATALOGUE["homing_commands_applied_total"].labels["status"]
    for status in statuses:
        line = f'homing_commands_applied_total{{status="{status}",type="zero.made"}} 0.0'
        assert line in body.decode()
        # Other tests of this process may have counted up this one.
        assert (
            f'homing_commands_applied_total{{status="{status}",type="unknown"}} ' in body.decode()
        )


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain"),
        ("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.3",
         "application/openmetrics-text; version=1.0.0"),
        ("\xff\0;;,", "text/plain"),
    ],
)  # fmt: skip
async def test_the_form_is_the_one_that_is_asked_for(accept: str, content_type: str) -> None:
    """OpenMetrics as Prometheus asks for it, the older text for everybody else."""
    status, said, body = await Scrape("web", Lifecycle()).answer(accept)
    assert (status, said.startswith(content_type)) == (200, True)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in said)
