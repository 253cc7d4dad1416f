"""Claims: what must be unique among all keys of a domain, as its `claims(state)` says. Pure.

What a domain returns is checked here, so that a claim which Postgres could not keep fails its own
command and never a round.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from homing.domain import Domain, Rejected
from homing.queries import IDENTIFIER

# A name of 200 characters may be three times as long once its case is folded. At four bytes each
# this still fits an entry of the unique index, which takes 2704.
VALUE_MAX = 600


class Claim(NamedTuple):
    """A value that only one key of a domain may have at a time."""

    domain: str
    name: str
    value: str


def claims_of(domain: Domain, state: Any) -> frozenset[Claim]:
    """What the state asks for. Raises whatever the domain does, or `TypeError`, `ValueError`."""
    if state is None:
        return frozenset()
    return frozenset(_checked(domain, claim) for claim in domain.claims(state))


def taken(names: list[str]) -> Rejected:
    """The rejection of a command whose claims of these names somebody else has."""
    fields = {name: f"This {name.replace('_', ' ')} is taken." for name in names}
    return Rejected("taken", " ".join(fields.values()), "Already taken", fields)


def _checked(domain: Domain, claim: Any) -> Claim:
    match claim:
        case (str(name), str(value)):
            if not IDENTIFIER.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a claim of {domain.name}")
            if len(value) > VALUE_MAX or "\0" in value:
                raise ValueError(f"a claim is at most {VALUE_MAX} characters without U+0000")
            value.encode()  # a lone surrogate is no text to Postgres
            return Claim(domain.name, name, value)
    raise TypeError(f"claims gave {claim!r}, which is no (name, value)")
