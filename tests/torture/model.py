"""What each command has to come to, told a second time and without the domain's code. Pure.

A sender knows the order of its own commands, since it waits for each 202 before the next; so from
its log alone follows what every answer has to be. Only who wins a name cannot be foreseen: there
the verdict is taken as it is, and all takers of a name are judged together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from torture.history import Sent, Status


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as its sender expects it."""

    count: int = 0
    total: int = 0
    digest: str = ""
    names: str = ""

    def linked(self, word: str, change: int = 0, name: str = "") -> Chain:
        """The chain with one more link."""
        text = f"{self.digest}/{word}".encode()
        digest = hashlib.blake2b(text, digest_size=8).hexdigest()
        return Chain(self.count + 1, self.total + change, digest, f"{self.names} {name}".strip())


class Expected(NamedTuple):
    """What a command has to come to."""

    statuses: tuple[Status, ...]
    succeeded: Chain
    """The chain behind it, if it succeeds; else the chain stays as it was."""


def expect(chain: Chain, sent: Sent, amount: int) -> Expected:
    """What `sent`, of this amount, has to come to on the chain as it is."""
    match sent.kind:
        case "link":
            return Expected(("succeeded",), chain.linked(f"link {amount}", amount))
        case "spend":
            enough = chain.total >= amount
            after = chain.linked(f"spend {amount}", -amount)
            return Expected(("succeeded",) if enough else ("rejected",), after)
        case "take":
            after = chain.linked(f"take {sent.name}", name=sent.name)
            return Expected(("succeeded", "rejected"), after)
    return Expected(("failed",), chain)


def amount_of(sent: Sent) -> int:
    """The number that the command carries: follows from its place, so that it need not be kept."""
    return (sent.number * 7919) % 1000


def chain_of(row: Any) -> Chain:
    """A chain out of the JSON of an outcome or of the read model."""
    return Chain(row["count"], row["total"], row["digest"], row["names"])
