"""What may be said to `homing up`; the command line shows these very fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))]
FirstPort = Annotated[int, Parameter(validator=Number(gte=0, lte=65_400))]
Reactors = Annotated[int, Parameter(validator=Number(gte=0, lte=64))]
Switch = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one run."""

    reactors: Reactors = 2
    """How many reactor processes."""
    data: Path = Path(".homing")
    """The folder that keeps what the servers store."""
    fresh: Switch = False
    """Delete what the servers stored there before starting."""
    port: Port = 8080
    """The page's port; 0 takes free ones for everything."""
    api_port: Port | None = None
    """The API's port (8000)."""
    internal_port: FirstPort | None = None
    """First port of the probes: web, API, then one per reactor (9000 and up)."""
    ports_file: Path | None = None
    """Write addresses and process ids to this file as JSON once all is ready."""
