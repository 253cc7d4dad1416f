"""The transaction of a round: fence, known ids, states, decide, save. Locks in this order.

A partition that the fence does not return is left out before anything is decided: nothing of it is
written, announced or acknowledged. The others commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from homing.domain import Domain
from homing.registry import Registry
from homing.storage import FenceRow, Rounds, RoundTransaction
from homing_reactor.deciding import Decider, Plan, States
from homing_reactor.forming import Batch
from homing_reactor.held import Held


class Applied(NamedTuple):
    """What a committed round did."""

    ours: set[int]
    """The partitions that it covers; the others of the round were lost meanwhile."""
    plan: Plan


class Applier:
    """Applies rounds."""

    def __init__(
        self, rounds: Rounds, registry: Registry, decider: Decider, *, check_known: bool = True
    ) -> None:
        """`check_known` is switched off only by tests: the check hides a broken fence."""
        self._rounds = rounds
        self._registry = registry
        self._decider = decider
        self._check_known = check_known

    async def apply(self, batches: Sequence[Batch[Held]], condemned: str | None) -> Applied:
        """Apply a round. Raises `RoundFailed`, or whatever our own code raised; then nothing is."""
        async with self._rounds.transaction() as transaction:
            ours = await transaction.fence([_fence(batch) for batch in batches])
            kept = [batch for batch in batches if batch.held.partition in ours]
            plan = await self._decide(transaction, kept, condemned) if kept else Plan()
            await self._save(transaction, plan)
        return Applied(ours, plan)

    async def _decide(
        self, transaction: RoundTransaction, batches: Sequence[Batch[Held]], condemned: str | None
    ) -> Plan:
        tasks = [(batch.held.partition, task) for batch in batches for task in batch.tasks]
        ids = [task.envelope.id for _, task in tasks if task.envelope]
        known = await transaction.known(ids) if self._check_known else {}
        states: States = {}
        for domain, keys in self._keys(batches).items():
            states[domain.name] = await transaction.load_states(domain, sorted(keys))
        return self._decider.decide(tasks, known, states, condemned)

    def _keys(self, batches: Sequence[Batch[Held]]) -> dict[Domain, set[str]]:
        keys: dict[Domain, set[str]] = {}
        for batch in batches:
            for task in batch.tasks:
                if task.domain is not None and task.envelope is not None:
                    keys.setdefault(task.domain, set()).add(task.envelope.key)
        return keys

    async def _save(self, transaction: RoundTransaction, plan: Plan) -> None:
        """Claims come first here once there are any, then the domains' tables in fixed order."""
        for name in sorted(plan.changed):
            states: dict[str, Any] = plan.changed[name]
            await transaction.save_states(self._registry.domains[name], states)
        await transaction.add_outcomes(plan.outcomes)
        await transaction.add_events(plan.events)
        await transaction.add_dead_letters(plan.dead_letters)


def _fence(batch: Batch[Held]) -> FenceRow:
    held, last = batch.held, batch.tasks[-1].delivery
    return FenceRow(held.partition, held.epoch, held.checkpoint, last.sequence, last.published_at)
