"""Settle one command against the state of its key. Pure: the one way a command takes effect.

Rounds, single application and replay all come through here. An exception of the domain is caught:
the state stays as it was, and the command fails with its traceback.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from homing.actions import Action
from homing.claims import Claim, claims_of
from homing.commands import Command, Event
from homing.domain import Context, Domain, Rejected, Response
from homing.outcome import OutcomeError, Status

NULL = msgspec.Raw(b"null")


class Verdict(NamedTuple):
    """What became of a command, before it is written."""

    status: Status
    state: Any
    """The key's state afterwards; the same object as before if nothing changed."""
    row: msgspec.Raw | None = None
    """The state as it will be saved; None if it is not to be."""
    events: tuple[Event, ...] = ()
    records: tuple[str, ...] = ()
    """The events in JSON, as they will be recorded."""
    claims: frozenset[Claim] = frozenset()
    """What the state needs for its key alone, if anything happened; others may have it already."""
    actions: tuple[Action, ...] = ()
    data: msgspec.Raw = NULL
    error: OutcomeError | None = None
    traceback: str | None = None
    """Why it failed, for the dead letter."""


def settle(domain: Domain, command: Command, state: Any, context: Context) -> Verdict:
    """Decide, evolve, respond, and say what has to be unique."""
    try:
        decided = domain.decide(command, state, context)
        if isinstance(decided, Rejected):
            return rejected(decided, state)
        events = tuple(decided)  # it may be a generator, which can be read only once
        after = evolved(domain, state, events)
        _check(domain, after, context)
        response = domain.respond(command, events, after)
        verdict = _succeeded(domain, events, after, response)
        return verdict._replace(claims=claims_of(domain, after)) if events else verdict
    except Exception as error:
        # Whatever a domain raises is that command's own failure; the round goes on without it.
        text = "".join(traceback.format_exception(error))
        return failed(state, "domain-error", f"{type(error).__name__} in {domain.name}", text)


def evolved(domain: Domain, state: Any, events: Iterable[Event]) -> Any:
    """What the events make of the state. Raises whatever the domain does, or `TypeError`."""
    for event in events:
        if not isinstance(event, domain.events):
            raise TypeError(f"{event!r} is no event that {domain.name} declares")
        state = domain.evolve(state, event)
    return state


def failed(state: Any, kind: str, detail: str, trace: str = "") -> Verdict:
    """The verdict on a command that could not be processed."""
    error = OutcomeError(type=kind, title="The command could not be processed", detail=detail)
    return Verdict("failed", state, error=error, traceback=(trace or detail).replace("\0", "�"))


def rejected(said: Rejected, state: Any) -> Verdict:
    """The verdict on a command to which a business rule said no."""
    error = OutcomeError(type=said.type, title=said.title, detail=said.detail, fields=said.fields)
    return Verdict("rejected", state, error=error)


def _succeeded(
    domain: Domain, events: tuple[Event, ...], state: Any, response: Response
) -> Verdict:
    data = msgspec.Raw(msgspec.json.encode(response.data))
    row = msgspec.Raw(msgspec.json.encode(state)) if events and state is not None else None
    if row is not None:
        # A state that cannot be read again would fail every later command of its key.
        msgspec.json.decode(row, type=domain.state)
    records = tuple(msgspec.json.encode(event).decode() for event in events)
    return Verdict(
        "succeeded", state, row, events, records, actions=tuple(response.actions), data=data
    )


def _check(domain: Domain, state: Any, context: Context) -> None:
    if state is None:
        return
    if not isinstance(state, domain.state):
        raise TypeError(f"evolve gave {state!r}, which is no {domain.state.__name__}")
    if getattr(state, domain.table.key) != context.key:
        raise ValueError(f"the state's {domain.table.key} is not the command's key")
