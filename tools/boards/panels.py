"""A board as values, and the few forms of query that its panels are made of. Pure.

Every query is limited to the installation that the variables choose. Processes of one installation
share a job, so `$job` tells installations apart, and "All" of it is every job of Homing alone;
`$namespace` may be absent, as its "All" matches an absent label too. A query never makes up a value
where there is none: no data is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

SCOPE = 'namespace=~"$namespace",job=~"$job"'
TIMED_OUT, ENDED = 'cause="timed-out"', 'cause!~"left|drained"'
"""Waits without the outcome in time; all that came to an end by themselves."""
Kind = Literal["lines", "number", "table"]
COUNT, PER_SECOND, SECONDS, BYTES, SHARE = "short", "cps", "s", "bytes", "percentunit"


class Query(NamedTuple):
    """One query of a panel."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel."""

    title: str
    description: str
    """What it shows, and what a reader learns from it."""
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "lines"
    width: int = 8
    """Of 24 columns."""
    exemplars: bool = False
    """Dots that lead to traces; the data source knows where those are."""
    needs: str = ""
    """The case without which it is empty, and why no test makes it; empty: a test sees data."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A row of a board."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board."""

    uid: str
    """Also the file's name; links to a board hold it, so it never changes."""
    title: str
    description: str
    sections: tuple[Section, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Those of all sections."""
        return tuple(panel for section in self.sections for panel in section.panels)


def series(name: str, where: str = "") -> str:
    """A metric of the chosen installation."""
    return f"{name}{{{SCOPE}{',' if where else ''}{where}}}"


def rate(name: str, *by: str, where: str = "") -> str:
    """A counter per second, summed over processes."""
    return f"sum{_by(by)}(rate({series(name, where)}[$__rate_interval]))"


def counted(name: str, *by: str, where: str = "") -> str:
    """By how much a counter rose in the whole time that is shown."""
    return f"sum{_by(by)}(increase({series(name, where)}[$__range]))"


def total(name: str, *by: str, where: str = "") -> str:
    """A gauge of which each process has its own part."""
    return f"sum{_by(by)}({series(name, where)})"


def whole(name: str, *by: str, where: str = "") -> str:
    """A gauge of which each process tells the whole: the worst of what they say."""
    return f"max{_by(by)}({series(name, where)})"


def quantile(share: float, name: str, *by: str, where: str = "") -> str:
    """A quantile of a histogram."""
    buckets = rate(f"{name}_bucket", "le", *by, where=where)
    return f"histogram_quantile({share:g}, {buckets})"


def mean(name: str, *by: str, where: str = "") -> str:
    """The mean of a histogram."""
    sums, counts = (rate(f"{name}_{part}", *by, where=where) for part in ("sum", "count"))
    return f"{sums} / {counts}"


def latencies(name: str, *by: str, where: str = "") -> tuple[Query, ...]:
    """The median and what one in twenty exceeds."""
    said = " ".join(f"{{{{{label}}}}}" for label in by)
    return tuple(
        Query(quantile(share, name, *by, where=where), f"p{share * 100:g} {said}".strip())
        for share in (0.5, 0.95)
    )


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""
