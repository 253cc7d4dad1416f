"""Who has which claim, command by command, while a round is decided. Pure.

A round is decided as if its commands ran one after another in the order of the stream, and is
committed as a whole: so within it a value may pass from key to key, and back. Of the values that
none of its keys has, only Postgres knows whether they are free. Therefore:

1. The round is decided with whatever is not known supposed to be free; this collects all values
   that any state on the way asks for.
2. One insert claims them all. What it does not return is lost: somebody else has it.
3. If anything is lost, the round is decided again from its start, now knowing it. One lost claim
   can change more than its own command: the key's later ones, and other keys that wanted what it
   would have given up.
4. Deciding again may ask for a value that nobody inserted. A second insert could deadlock, so the
   round is rolled back and those partitions go on alone, with fewer commands. The first command of
   a partition can never ask for anything new, since its state is the stored one: so it gets on.
5. Last, what ends with another key than was inserted is handed on, and what no key ends with is
   given up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set

from homing.claims import Claim
from homing.errors import HomingError


class ClaimsUnforeseen(HomingError):
    """After a lost claim, others were asked for that the round had not inserted:"""

    def __init__(self, partitions: Collection[int]) -> None:
        super().__init__(f"partitions {sorted(partitions)}")
        self.partitions = frozenset(partitions)


class Ledger:
    """The claims of a round, from its start to its end."""

    def __init__(
        self,
        held: Mapping[Claim, str] | None = None,
        *,
        inserted: Mapping[Claim, str] | None = None,
        lost: Set[Claim] = frozenset(),
    ) -> None:
        """`held` is what the round's keys have at its start; the rest is known after the insert."""
        self._held = dict(held or {})
        self._inserted = inserted
        self._lost = lost
        self._holders = dict(self._held)
        self._claims: dict[tuple[str, str], frozenset[Claim]] = {}
        for claim, key in self._held.items():
            self._claims[claim.domain, key] = self.of(claim.domain, key) | {claim}
        self.asked: dict[Claim, str] = {}
        """What has to be inserted, for the key that asked first."""
        self.unforeseen: set[int] = set()
        """Partitions that asked for what was not inserted."""

    def of(self, domain: str, key: str) -> frozenset[Claim]:
        """What the key has at this moment."""
        return self._claims.get((domain, key), frozenset())

    @property
    def holders(self) -> dict[Claim, str]:
        """Who has which claim at this moment."""
        return dict(self._holders)

    def ask(self, partition: int, key: str, wanted: Set[Claim]) -> list[str]:
        """The names of the claims that another key has; empty if all can be taken."""
        refused = set()
        for claim in wanted:
            holder = self._holders.get(claim)
            if holder == key:
                continue
            if claim not in self._held and claim not in self._lost:
                self._note(partition, key, claim)
            if holder is not None or claim in self._lost:
                refused.add(claim.name)
        return sorted(refused)

    def take(self, domain: str, key: str, wanted: frozenset[Claim]) -> None:
        """From now on the key has these, and no others."""
        for claim in self.of(domain, key) - wanted:
            del self._holders[claim]
        for claim in wanted:
            self._holders[claim] = key
        self._claims[domain, key] = wanted

    def after_losing(self, lost: Set[Claim]) -> Ledger:
        """The ledger to decide the same round with again."""
        return Ledger(self._held, inserted=self.asked, lost=lost)

    def changes(self) -> dict[Claim, str | None]:
        """How the table must change at the end: who has it instead, or None for nobody."""
        inserted = self.asked if self._inserted is None else self._inserted
        stored = {claim: key for claim, key in inserted.items() if claim not in self._lost}
        stored |= self._held
        ends = {claim: self._holders.get(claim) for claim in stored}
        return {claim: key for claim, key in ends.items() if key != stored[claim]}

    def _note(self, partition: int, key: str, claim: Claim) -> None:
        self.asked.setdefault(claim, key)
        if self._inserted is not None and claim not in self._inserted:
            self.unforeseen.add(partition)
