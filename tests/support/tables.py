"""The pages of `docs/` that are written by a program, from what the code says of itself.

`make tables` writes them; a test finds those that have drifted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from homing.log_actions import ACTIONS
from homing.telemetry import CATALOGUE, Entry

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = "<!-- Written by `make tables`; not to be edited. -->"
UNITS = ("seconds", "bytes", "commands", "connections")
METRICS = """\
# Metrics

Each process exposes its own on its internal port, at `/metrics`, as OpenMetrics with exemplars to
who asks for it. A label that lists its values has no others; types, routes, partitions and pools
are bounded by the domains, the routing table and the settings. Counters whose labels are known
begin at 0 with their process. What is *scraped* is measured for each scrape, and absent while it
cannot be known. [Observability](observability.md) says what to look at when.
"""


LOGS = """\
# Log actions

Each line of a log is one event: `timestamp`, `level`, `service`, `action`, and fields. What is
about a command has its `command_id`, `partition` and `trace_id`.
[Observability](observability.md) says what is never logged.
"""


def files() -> dict[Path, str]:
    """What should be where."""
    return {DOCS / "metrics.md": _metrics(), DOCS / "logs.md": _logs()}


def write() -> None:
    """Write them all."""
    for path, text in files().items():
        path.write_text(text, "utf-8")


def _metrics() -> str:
    head = ("Name", "Type", "Unit", "Labels", "Of", "Meaning")
    return _page(METRICS, head, (_metric(entry) for entry in CATALOGUE.values()))


def _logs() -> str:
    rows = ((f"`{action}`", meaning) for action, meaning in ACTIONS.items())
    return _page(LOGS, ("Action", "Meaning"), rows)


def _metric(entry: Entry) -> tuple[str, ...]:
    words = entry.name.removesuffix("_total").split("_")
    unit = next((word for word in reversed(words) if word in UNITS), "")
    return (
        f"`{entry.name}`",
        f"{entry.kind}, scraped" if entry.scraped else entry.kind,
        unit,
        "; ".join(_label(name, values) for name, values in entry.labels.items()),
        ", ".join(entry.processes),
        entry.meaning,
    )


def _label(name: str, values: Iterable[str]) -> str:
    known = ", ".join(values)
    return f"`{name}`: {known}" if known else f"`{name}`"


def _page(opening: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [*map(_row, [head, ["---"] * len(list(head)), *rows])]
    return f"{WRITTEN}\n{opening}\n" + "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    write()
