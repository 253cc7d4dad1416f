"""The commands `homing dead-letters …`. They connect as `homing migrate` does, by HOMING_*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from homing.cli.showing import Output

app = App(
    name="dead-letters",
    help="Look at commands that could not be processed; replay or discard them.",
)
Switch = Parameter(negative="")
Limit = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
LetterId = Annotated[int, Parameter(validator=Number(gte=1, lte=2**63 - 1))]
"""As Postgres has it: a positive `bigint`."""


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which dead letters."""

    reason: str | None = None
    """The type of the reason, as `domain-error`."""
    type: str | None = None
    """The command's type, as `locations.register`."""
    key: str | None = None
    """The command's key; found for as long as the outcome is kept."""


WHICH = Which()


@app.command(name="list")
def list_(
    *,
    which: Annotated[Which, Parameter(name="*")] = WHICH,
    all: Annotated[bool, Switch] = False,
    before: LetterId | None = None,
    limit: Limit = 20,
    output: Output = "auto",
) -> int:
    """List dead letters, newest first, one on each line.

    Parameters
    ----------
    all
        Also those that were discarded.
    before
        The page behind the letter of this id.
    limit
        How many.
    output
        `text` for people, `json` for programs; `auto` is text on a terminal.
    """
    from homing.cli import letters  # noqa: PLC0415 - loads the storage

    return letters.show_list(which, before, limit, output, discarded=all)


@app.command
def show(letter_id: LetterId, /, *, output: Output = "auto") -> int:
    """Print a dead letter: why, what, its replays, and what came after it on its key.

    Parameters
    ----------
    letter_id
        The letter's id, as `list` has it.
    output
        `text` for people, `json` for programs; `auto` is text on a terminal.
    """
    from homing.cli import letters  # noqa: PLC0415 - loads the storage

    return letters.show_one(letter_id, output)


@app.command
def replay(
    letter_id: LetterId | None = None,
    /,
    *,
    all: Annotated[bool, Switch] = False,
    which: Annotated[Which, Parameter(name="*")] = WHICH,
    after: LetterId | None = None,
    limit: Limit = 100,
    output: Output = "auto",
) -> int:
    """Send what failed as a new command, which takes effect after all that came meanwhile.

    Asking again does not do it again: a new replay is sent only when the one before has failed.

    Parameters
    ----------
    letter_id
        The letter's id.
    all
        All letters of a --reason instead, in the order of the stream, but for those whose replay
        is pending or has not failed.
    after
        With --all, those behind this one alone.
    limit
        How many of them at most.
    output
        `text` for people, `json` for programs; `auto` is text on a terminal.
    """
    from homing.cli import letters  # noqa: PLC0415 - loads the storage

    if not all:
        return letters.replay(letter_id, which, after, output)
    return letters.replay_all(letter_id, which, after, limit, output)


@app.command
def discard(letter_id: LetterId, /) -> int:
    """Mark a dead letter as done with. It stays, and `list --all` still shows it.

    Parameters
    ----------
    letter_id
        The letter's id.
    """
    from homing.cli import letters  # noqa: PLC0415 - loads the storage

    return letters.discard(letter_id)
