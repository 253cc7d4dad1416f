"""What a failed `then_…` tells the author: what was expected, and everything that came. Pure."""

from __future__ import annotations

import pprint
from typing import Any

import msgspec

from homing.testing.world import Step

WIDTH = 92


def plain(value: Any) -> Any:
    """A value as it is once it has been JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


def told(step: Step, complaint: str, wanted: Any) -> str:
    """The whole story of a command."""
    lines = [f"{step.command.command_type}: {complaint}", ""]
    if wanted is not ...:
        lines += _row("expected", wanted)
    lines += _row("command", step.command)
    lines += _row("key", step.context.key)
    lines += _row("state before", step.before)
    lines += [f"  {'outcome':13} {_outcome(step)}"]
    lines += _row("events", list(step.verdict.events))
    lines += _row("state after", step.after)
    if step.outcome.status == "succeeded":
        lines += _row("actions", plain(step.outcome.actions))
        lines += _row("data", plain(step.outcome.data))
    if step.verdict.traceback:
        lines += ["", step.verdict.traceback.rstrip()]
    return "\n".join(lines)


def _outcome(step: Step) -> str:
    error = step.outcome.error
    if error is None:
        return step.outcome.status
    fields = f" {error.fields}" if error.fields else ""
    return f"{step.outcome.status} as {error.type!r}: {error.detail}{fields}"


def _row(name: str, value: Any) -> list[str]:
    first, *more = pprint.pformat(value, width=WIDTH, sort_dicts=False).splitlines()
    return [f"  {name:13} {first}", *(f"{'':16}{line}" for line in more)]
