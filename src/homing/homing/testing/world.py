"""The states and claims of one domain in memory, and how a command changes them. Pure.

Commands run one after another, as a round decides them; the code that decides is the rounds' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import msgspec

from homing.claims import Claim, claims_of
from homing.commands import Command, Event, has_nul
from homing.concluding import Case, conclude, context_of
from homing.domain import Context, Domain
from homing.envelope import KEY_MAX, Envelope
from homing.identity import fingerprint
from homing.ledger import Ledger
from homing.outcome import Outcome, Position, Timeline, decode_outcome
from homing.registry import Registry
from homing.settle import Verdict, evolved, settle

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
PACE = timedelta(seconds=1)
SOMEBODY = "somebody"


class Refused(AssertionError):
    """The API would not even accept this command: its payload or its key is invalid."""


class Sender(NamedTuple):
    """What a test says of a command beside its payload; None is up to the kit."""

    command_id: str | None = None
    owner: str = SOMEBODY
    accepted_at: datetime | None = None


class Step(NamedTuple):
    """One command, and what became of it."""

    command: Command
    context: Context
    before: Any
    after: Any
    verdict: Verdict
    outcome: Outcome


@cache
def _registry(domain: Domain) -> Registry:
    return Registry([domain])


@dataclass(frozen=True)
class World:
    """Never changed: each step makes a new one, so that a test may go on from any of them."""

    domain: Domain
    states: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[Claim, str] = field(default_factory=dict)
    commands: int = 0

    def __post_init__(self) -> None:
        _registry(self.domain)  # refuses what a process would refuse at its start

    def with_history(self, events: Sequence[Event]) -> World:
        """With the state that these events of one key make."""
        state = evolved(self.domain, None, events)
        return self if state is None else self.with_state(state)

    def with_state(self, state: Any) -> World:
        """With this state, as if it had been stored. Raises `TypeError` or `ValueError`."""
        domain = self.domain
        if not isinstance(state, domain.state):
            raise TypeError(
                f"{state!r} is neither a {domain.state.__name__} nor an event of {domain.name}"
            )
        stored, key = _stored(domain, state), str(getattr(state, domain.table.key))
        claims = claims_of(domain, state)
        if key in self.states:
            raise ValueError(f"{key!r} was given twice")
        if taken := claims & self.claims.keys():
            raise ValueError(f"{key!r} claims what another key has: {sorted(taken)}")
        return replace(
            self,
            states={**self.states, key: stored},
            claims={**self.claims, **dict.fromkeys(claims, key)},
        )

    def apply(self, command: Command, sender: Sender) -> tuple[World, Step]:
        """The world after the command. Raises `Refused`."""
        received, envelope = self._receive(command, sender)
        before, ledger = self.states.get(envelope.key), Ledger(self.claims)
        position = Position(1, 0, self.commands + 1)
        case = Case(envelope, position, Timeline(accepted_at=envelope.accepted_at))
        context = context_of(envelope)
        verdict, body = conclude(
            case, settle(self.domain, received, before, context), before, ledger
        )
        after = before
        if verdict.events:
            after = None if verdict.row is None else _read(self.domain, verdict.row)
        states = {**self.states, envelope.key: after}
        world = replace(
            self,
            states={key: state for key, state in states.items() if state is not None},
            claims=ledger.holders,
            commands=self.commands + 1,
        )
        return world, Step(command, context, before, after, verdict, decode_outcome(body))

    def _receive(self, command: Command, sender: Sender) -> tuple[Command, Envelope]:
        """As the API takes it from a client's JSON, and as it travels."""
        if not isinstance(command, self.domain.commands):
            raise TypeError(f"{command!r} is no command that {self.domain.name} declares")
        payload, kind = msgspec.json.encode(command), command.command_type
        received = _decoded(self.domain, kind, payload)
        number = self.commands + 1
        command_id = sender.command_id or f"00000000-0000-7000-8000-{number:012d}"
        accepted_at = sender.accepted_at or START + number * PACE
        if accepted_at.tzinfo is None:
            raise ValueError("accepted_at needs a time zone, as the API's has")
        key = received.key(command_id)
        if not 1 <= len(key) <= KEY_MAX:
            raise Refused(f"{kind}: a key has 1 to {KEY_MAX} characters, not {len(key)}")
        envelope = Envelope(
            specversion="1.0", id=command_id, type=kind, key=key, accepted_at=accepted_at,
            owner=sender.owner, fingerprint=fingerprint(kind, payload),
            schema_version=command.schema_version, payload=msgspec.Raw(payload),
        )  # fmt: skip
        return received, envelope


def _decoded(domain: Domain, kind: str, payload: bytes) -> Command:
    found = _registry(domain).find(kind)
    assert found is not None  # noqa: S101  # the caller looked
    if has_nul(payload):
        raise Refused(f"{kind}: U+0000 in text")
    try:
        return found[1].decode(payload)
    except msgspec.ValidationError as error:
        raise Refused(f"{kind}: {error}") from error


def _stored(domain: Domain, state: Any) -> Any:
    try:
        return _read(domain, msgspec.json.encode(state))
    except (msgspec.ValidationError, TypeError) as error:
        raise ValueError(f"{state!r} could not be stored and read again: {error}") from error


def _read(domain: Domain, row: bytes | msgspec.Raw) -> Any:
    return msgspec.json.decode(row, type=domain.state)
