"""A domain for tests: each command goes wrong in a way that it names itself.

`fine` does not; `refused` breaks a constraint, `hang` a time limit, `conflict` is rolled
back a few times; `slow` and `stuck` think for long, `kill` takes its process down,
`grip` stops all of its threads for ever.
"""

from __future__ import annotations

import os
import re
import signal
import time
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from homing import Command, Context, Domain, Event, StateTable

Kind = Literal["fine", "refused", "hang", "conflict", "slow", "stuck", "kill", "grip"]
SLOW_SECONDS, STUCK_SECONDS = 0.2, 4.0
MAY_KILL = "TROUBLE_MAY_KILL"


class Make(Command, type="trouble.make", key="trouble_id"):
    """Make trouble."""

    trouble_id: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: Kind = "fine"


class Slow(Command, type="trouble.slow", key="trouble_id"):
    """Think for a while, as a type that always does."""

    trouble_id: Annotated[str, Meta(min_length=1, max_length=100)]


class Made(Event):
    """It was made."""

    trouble_id: str
    kind: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and what the last one was."""

    trouble_id: str
    count: int
    kind: str


def decide(command: Command, _state: Trouble | None, context: Context) -> list[Event]:
    """Make the trouble that is not Postgres's to make."""
    kind = command.kind if isinstance(command, Make) else "slow"
    if kind == "kill" and os.environ.get(MAY_KILL):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "grip" and os.environ.get(MAY_KILL):
        re.match(r"(a+)+$", "a" * 60 + "b")
    time.sleep({"slow": SLOW_SECONDS, "stuck": STUCK_SECONDS}.get(kind, 0.0))
    return [Made(context.key, kind)]


def evolve(state: Trouble | None, event: Made) -> Trouble:
    """One more."""
    count = state.count if state else 0
    return Trouble(trouble_id=event.trouble_id, count=count + 1, kind=event.kind)


domain = Domain(
    name="trouble",
    commands=(Make, Slow),
    events=(Made,),
    state=Trouble,
    table=StateTable(name="troubles", key="trouble_id"),
    decide=decide,
    evolve=evolve,
    migrations=files("trouble") / "migrations",
)
