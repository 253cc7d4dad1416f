"""The transaction of a round: fence, known ids, states, decide, claim, save, give up.

Locks are taken in this order. A partition that the fence does not return is left out before
anything is decided: nothing of it is written, announced or acknowledged. The others commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from homing import telemetry
from homing.domain import Domain
from homing.ledger import ClaimsUnforeseen, Ledger
from homing.registry import Registry
from homing.storage import FenceRow, RoundStatements, RoundStore
from homing.tracing import step
from homing_reactor.deciding import Decider, Plan, States, attempted
from homing_reactor.forming import Batch
from homing_reactor.held import Held
from homing_reactor.intake import Fault, Task


class Applied(NamedTuple):
    """What a committed round did."""

    ours: set[int]
    """The partitions that it covers; the others of the round were lost meanwhile."""
    plan: Plan


class Start(NamedTuple):
    """What a round is decided from."""

    tasks: list[tuple[int, Task]]
    known: dict[str, str]
    states: States
    condemned: Fault | None
    done: set[str]


class Think(Protocol):
    """Runs a function to its end, wherever."""

    async def __call__(self, work: Callable[[], Plan], /) -> Plan:
        """What it returns or raises."""


async def at_once(work: Callable[[], Plan], /) -> Plan:
    """Here and now."""
    return work()


class Applier:
    """Applies rounds."""

    def __init__(
        self,
        rounds: RoundStore,
        registry: Registry,
        decider: Decider,
        think: Think = at_once,
        *,
        check_known: bool = True,
    ) -> None:
        """`think` runs what the domain decides, which may take long.

        `check_known` is switched off only by tests: the check hides a broken fence.
        """
        self._rounds = rounds
        self._registry = registry
        self._decider = decider
        self._think = think
        self._check_known = check_known

    async def apply(self, batches: Sequence[Batch[Held]], condemned: Fault | None) -> Applied:
        """Apply a round.

        Raises `RoundFailed`, `ClaimsUnforeseen`, `TookTooLong`, or whatever our own code raised;
        then nothing of it is applied.
        """
        async with self._rounds.transaction() as transaction:
            started = time.monotonic()
            with step("fence", "UPDATE homing.partitions", len(batches)):
                ours = await transaction.fence([_fence(batch) for batch in batches])
            tasks = in_order([batch for batch in batches if batch.held.partition in ours])
            plan, ledger = Plan(), Ledger()
            if tasks:
                with step("load", "SELECT outcomes, states", len(tasks)):
                    start = await self._load(transaction, tasks, condemned)
                with step("decide"):
                    plan, ledger = await self._decide(transaction, start)
            with step("save", "INSERT states, outcomes, events", len(plan.outcomes)):
                await self._save(transaction, plan)
                await transaction.settle_claims(ledger.changes())
            telemetry.observe(telemetry.STEP_SECONDS, time.monotonic() - started, "apply")
        return Applied(ours, plan)

    async def _load(
        self,
        transaction: RoundStatements,
        tasks: list[tuple[int, Task]],
        condemned: Fault | None,
    ) -> Start:
        ids = [task.envelope.id for _, task in tasks if task.envelope]
        known = await transaction.known(ids) if self._check_known else {}
        states: States = {}
        # Whoever is condemned fails whatever its state is; which may be what cannot be read.
        for domain, keys in _keys(tasks).items() if condemned is None else ():
            states[domain.name] = await transaction.load_states(domain, sorted(keys))
        replayed = [one for _, task in tasks if task.envelope for one in attempted(task.envelope)]
        done = await transaction.succeeded(replayed) if replayed else set[str]()
        return Start(tasks, known, states, condemned, done)

    async def _decide(self, transaction: RoundStatements, start: Start) -> tuple[Plan, Ledger]:
        existing = [(name, key) for name, states in start.states.items() for key in states]
        ledger = Ledger(await transaction.load_claims(existing))
        plan = await self._think(lambda: self._decide_once(start, ledger))
        won = await transaction.claim(ledger.asked)
        if lost := ledger.asked.keys() - won:
            ledger = again = ledger.after_losing(lost)
            plan = await self._think(lambda: self._decide_once(start, again))
            if ledger.unforeseen:
                raise ClaimsUnforeseen(ledger.unforeseen)
        return plan, ledger

    def _decide_once(self, start: Start, ledger: Ledger) -> Plan:
        return self._decider.decide(
            start.tasks, start.known, start.states, start.condemned, ledger, start.done
        )

    async def _save(self, transaction: RoundStatements, plan: Plan) -> None:
        """The domains' tables in fixed order, then what was said of it."""
        for name in sorted(plan.changed):
            states: dict[str, Any] = plan.changed[name]
            await transaction.save_states(self._registry.domains[name], states)
        await transaction.add_outcomes(plan.outcomes)
        await transaction.note_copies(plan.copies)
        await transaction.add_events(plan.events)
        await transaction.add_dead_letters(plan.dead_letters)


def in_order(batches: Sequence[Batch[Held]]) -> list[tuple[int, Task]]:
    """The tasks of all partitions in the order of the stream, so that the first come wins."""
    tasks = [(batch.held.partition, task) for batch in batches for task in batch.tasks]
    return sorted(tasks, key=lambda numbered: numbered[1].delivery.sequence)


def _keys(tasks: Sequence[tuple[int, Task]]) -> dict[Domain, set[str]]:
    keys: dict[Domain, set[str]] = {}
    for _, task in tasks:
        if task.domain is not None and task.envelope is not None:
            keys.setdefault(task.domain, set()).add(task.envelope.key)
    return keys


def _fence(batch: Batch[Held]) -> FenceRow:
    held, last = batch.held, batch.tasks[-1].delivery
    return FenceRow(held.partition, held.epoch, held.checkpoint, last.sequence, last.published_at)
