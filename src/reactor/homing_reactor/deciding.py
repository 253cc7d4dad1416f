"""Decide a round in memory: from tasks and states to the rows that will be written. Pure.

Each command is settled on its own; what fails leaves its key's state and claims as they were. The
order of tasks is the order of the stream.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from homing.broker import Delivery
from homing.concluding import Case, conclude, context_of, domain_of
from homing.envelope import Envelope
from homing.identity import attempts_before
from homing.ledger import Ledger
from homing.outcome import Position, Timeline, encode_announcement, now
from homing.settle import Verdict, failed, settle
from homing.storage import CopyRow, DeadLetterRow, EventRow, OutcomeRow
from homing.telemetry import UNKNOWN
from homing_reactor.intake import Fault, Task

EXPIRED, SUPERSEDED = "expired", "superseded"
_NOTHING_TO_MEND = (EXPIRED, SUPERSEDED)
"""What fails as these is no dead letter: its outcome says all there is."""
States = dict[str, dict[str, Any]]
"""By domain, by key; a key without a state is missing or None."""
Said = tuple[str, str, bytes]


@dataclass
class Plan:
    """What a round writes, and what it announces after the commit."""

    outcomes: list[OutcomeRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)
    changed: dict[str, dict[str, msgspec.Raw | None]] = field(default_factory=dict)
    types: list[tuple[str, str]] = field(default_factory=list)
    """(type, status) of each verdict as the metrics have them: of types that are known."""
    repeats: int = 0
    copies: list[CopyRow] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """The longest that a command of each type took to be decided."""

    def announcements(self) -> Iterable[Said]:
        """(owner, command id, body) each."""
        for row in self.outcomes:
            yield announcement(row)


def announcement(row: OutcomeRow, traceparent: str | UnsetType = UNSET) -> Said:
    """(owner, command id, body) of one outcome; `traceparent` is the span that says it."""
    said = encode_announcement(row.fingerprint, row.body.encode(), traceparent)
    return row.owner, row.command_id, said


@dataclass
class _Round:
    """A round while it is decided."""

    states: States
    ledger: Ledger
    condemned: Fault | None
    done: set[str]
    plan: Plan = field(default_factory=Plan)


class Decider:
    """Decides rounds. The same round may be decided twice: nothing that is given is changed, but
    for the ledger."""

    def __init__(self, incarnation: int) -> None:
        self._incarnation = incarnation

    def decide(
        self,
        tasks: Iterable[tuple[int, Task]],
        known: dict[str, str],
        states: States,
        condemned: Fault | None,
        ledger: Ledger | None = None,
        done: Iterable[str] = (),
    ) -> Plan:
        """The plan of a round of (partition, task).

        `known` are ids that have an outcome, with their fingerprints. `condemned` is why the only
        command of the round has to fail, if it has to. `ledger` gets what is claimed. `done` are
        those that succeeded of the commands that replays of the round do again.
        """
        copied = {domain: dict(keys) for domain, keys in states.items()}
        ledger = Ledger() if ledger is None else ledger
        around = _Round(copied, ledger, condemned, set(done))
        plan, known = around.plan, dict(known)
        for partition, task in tasks:
            position = Position(self._incarnation, partition, task.delivery.sequence)
            if task.envelope is None:
                self._bury(plan, task, position, task.fault or Fault("unreadable", ""), "")
            elif task.envelope.id in known:
                self._repeated(plan, task, position, known[task.envelope.id])
            else:
                known[task.envelope.id] = task.envelope.fingerprint
                self._settle(around, task, position)
        return plan

    def _settle(self, around: _Round, task: Task, position: Position) -> None:
        envelope, plan = task.envelope, around.plan
        assert envelope is not None  # noqa: S101  # the caller looked
        started = time.perf_counter()
        mine = around.states.setdefault(task.domain.name, {}) if task.domain else {}
        state = mine.get(envelope.key)
        at = now()
        timeline = _timeline(task.delivery, envelope, at)
        case = Case(envelope, position, timeline, task.traceparent)
        if around.done and not around.done.isdisjoint(attempted(envelope)):
            verdict = failed(state, SUPERSEDED, "The command that it does again has succeeded.")
        else:
            verdict = _verdict(task, envelope, state, around.condemned, at)
        verdict, body = conclude(case, verdict, state, around.ledger)
        if verdict.status == "succeeded":
            around.done.add(envelope.id)
        if task.domain and verdict.events:
            mine[envelope.key] = verdict.state
            plan.changed.setdefault(task.domain.name, {})[envelope.key] = verdict.row
        plan.types.append(_counted(task, envelope, verdict))
        _record(plan, envelope, verdict, body, position)
        spent = time.perf_counter() - started
        plan.seconds[envelope.type] = max(spent, plan.seconds.get(envelope.type, 0.0))
        error = verdict.error
        if verdict.status == "failed" and error is not None and error.type not in _NOTHING_TO_MEND:
            fault = Fault(error.type, error.detail)
            self._bury(plan, task, position, fault, verdict.traceback or "")

    def _repeated(self, plan: Plan, task: Task, position: Position, fingerprint: str) -> None:
        assert task.envelope is not None  # noqa: S101  # the caller looked
        plan.repeats += 1
        if task.envelope.fingerprint != fingerprint:
            detail = "the same id was used before with another type or payload"
            self._bury(plan, task, position, Fault("idempotency-conflict", detail), "")
        delivery = task.delivery
        plan.copies.append(CopyRow(task.envelope.id, delivery.sequence, delivery.published_at))

    def _bury(
        self, plan: Plan, task: Task, position: Position, fault: Fault, traceback: str
    ) -> None:
        delivery = task.delivery
        headers = {_text(name): _text(value) for name, value in delivery.headers.items()}
        plan.dead_letters.append(
            DeadLetterRow(
                incarnation=position.incarnation,
                partition=position.partition,
                sequence=position.sequence,
                command_id=task.envelope.id if task.envelope else None,
                subject=_text(delivery.subject),
                headers=json.dumps(headers),
                body=delivery.body,
                reason=_text(f"{fault.type}: {fault.detail}"),
                traceback=_text(traceback),
            )
        )


def _text(said: str) -> str:
    """As Postgres can store it."""
    return said.replace("\0", "").encode(errors="replace").decode()


def attempted(envelope: Envelope) -> list[str]:
    """What a replay does again: the failed command, and replays of it before this one.

    A database that was restored may apply one of them with success after all, and then the replay.
    """
    return attempts_before(envelope.replays, envelope.id) if envelope.replays else []


def _verdict(
    task: Task, envelope: Envelope, state: Any, condemned: Fault | None, at: datetime
) -> Verdict:
    if condemned is None and envelope.expires_at is not None and at >= envelope.expires_at:
        # Whatever else is wrong with it, it is not wanted any more; its outcome says all there is.
        return failed(state, EXPIRED, f"It was to be applied by {envelope.expires_at.isoformat()}.")
    if task.fault is not None:
        return failed(state, task.fault.type, task.fault.detail)
    if condemned is not None:
        return failed(state, condemned.type, "It could not be applied.", condemned.detail)
    assert task.domain is not None and task.command is not None  # noqa: S101, PT018  # no fault
    return settle(task.domain, task.command, state, context_of(envelope))


def _counted(task: Task, envelope: Envelope, verdict: Verdict) -> tuple[str, str]:
    error = verdict.error
    expired = verdict.status == "failed" and error is not None and error.type == EXPIRED
    status = EXPIRED if expired else verdict.status
    return envelope.type if task.type_known else UNKNOWN, status


def _timeline(delivery: Delivery, envelope: Envelope, at: datetime) -> Timeline:
    return Timeline(
        accepted_at=envelope.accepted_at,
        published_at=delivery.published_at,
        received_at=delivery.received_at,
        decided_at=at,
    )


def _record(
    plan: Plan, envelope: Envelope, verdict: Verdict, body: bytes, position: Position
) -> None:
    plan.outcomes.append(
        OutcomeRow(
            command_id=envelope.id,
            owner=envelope.owner,
            type=envelope.type,
            key=envelope.key,
            status=verdict.status,
            body=body.decode(),
            fingerprint=envelope.fingerprint,
            incarnation=position.incarnation,
            partition=position.partition,
            sequence=position.sequence,
        )
    )
    for ordinal, (event, record) in enumerate(zip(verdict.events, verdict.records, strict=True)):
        plan.events.append(
            EventRow(
                command_id=envelope.id,
                ordinal=ordinal,
                domain=domain_of(envelope),
                type=type(event).__name__,
                key=envelope.key,
                body=record,
                incarnation=position.incarnation,
                partition=position.partition,
                sequence=position.sequence,
            )
        )
