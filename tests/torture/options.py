"""What can be chosen on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from torture.planning import KINDS

Hidden = Parameter(show=False)
Whole = Annotated[int, Parameter(validator=Number(gte=1))]
Without = Literal["", "known", "fence", "reset", "dedupe"]
UNREPEATED = ("known", "fence")


@dataclass(frozen=True, kw_only=True)
class Options:
    """A run."""

    duration: Annotated[float, Parameter(validator=Number(gt=0, lte=86_400))] = 60.0
    """Seconds in which commands are sent; starting and settling come on top."""
    rate: Annotated[float, Parameter(validator=Number(gt=0, lte=5000))] = 300.0
    """Commands a second, as far as there is an API to take them."""
    seed: int = 7
    """Decides commands and faults."""
    reactors: Whole = 3
    apis: Whole = 2
    owners: Whole = 8
    """Sessions; each has an event stream."""
    keys: Whole = 3000
    partitions: Whole = 64
    pace: Annotated[float, Parameter(validator=Number(gt=0))] = 10.0
    """Seconds between most faults; with 10 or more their stalls can be told apart."""
    faults: str = ",".join(KINDS)
    """Which kinds, comma-separated; none at all is a run without faults."""
    settle: Annotated[float, Parameter(validator=Number(gt=0))] = 60.0
    """Seconds without any progress at the end, until what is missing counts as missing."""
    lease: Annotated[float, Parameter(validator=Number(gte=1))] = 3.0
    """Seconds, of the reactors."""
    folder: Path | None = None
    """Where the history and the servers' data go; .homing/torture/SEED-TIME if not said."""
    keep_data: bool = False
    """Keep the servers' data as well, not only the history and the logs."""
    without: Annotated[Without, Hidden] = ""
    """What is taken out of the reactors, so that the run has to fail (`torture.crippled`)."""
    repeats: Annotated[float, Hidden] = 0.01
    """The share of commands that are sent again after the duplicate window."""
    round_max: Annotated[int, Hidden] = 200
    """Commands in a round."""

    @property
    def repeat_share(self) -> float:
        """None where nothing but the fence shall stand between a command and its second effect."""
        return 0.0 if self.without in UNREPEATED else self.repeats

    @property
    def window_seconds(self) -> float:
        """Of the stream's duplicate window; there, of a length that no retry outlasts."""
        return 300.0 if self.without in UNREPEATED else 1.0

    @property
    def fault_kinds(self) -> list[str]:
        """The kinds in `faults`. Raises `ValueError` for one that there is not."""
        kinds = [word for word in self.faults.split(",") if word]
        if unknown := sorted(set(kinds) - set(KINDS)):
            raise ValueError(f"no such fault: {', '.join(unknown)}; there are: {', '.join(KINDS)}")
        return kinds
