"""A domain that remembers: each command that succeeds is a link, and a chain has all its links.

The digest is made of all links in their order, so that a chain differs from what its sender expects
if a single one was lost, doubled or overtaken. Names are taken for good and unique among all
chains. One command breaks the rules' code, one a constraint of the table: both are poison.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta

from homing import Command, Context, Domain, Event, Query, Rejected, StateTable

ChainId = Annotated[str, Meta(min_length=1, max_length=100)]
TOO_MUCH = 10**12


class Link(Command, type="chains.link", key="chain_id"):
    """Add a number."""

    chain_id: ChainId
    number: Annotated[int, Meta(ge=0, lt=1_000_000)]


class Spend(Command, type="chains.spend", key="chain_id"):
    """Take a number off the total, which must be as large."""

    chain_id: ChainId
    number: Annotated[int, Meta(ge=0, lt=1_000_000)]


class Take(Command, type="chains.take", key="chain_id"):
    """Take a name, for good."""

    chain_id: ChainId
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[a-z0-9-]+$")]


class Explode(Command, type="chains.explode", key="chain_id"):
    """Ask for something that the rules break on."""

    chain_id: ChainId


class Overflow(Command, type="chains.overflow", key="chain_id"):
    """Ask for something that the table refuses."""

    chain_id: ChainId


class Linked(Event):
    """The chain became longer."""

    chain_id: str
    word: str
    change: int
    name: str = ""


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """All links so far."""

    chain_id: str
    count: int = 0
    total: int = 0
    digest: str = ""
    names: str = ""
    """Each between spaces."""


def decide(command: Command, state: Chain | None, context: Context) -> list[Event] | Rejected:
    """What the next link is, if there is one."""
    key = context.key
    match command:
        case Link(number=number):
            return [Linked(key, f"link {number}", number)]
        case Spend(number=number):
            if (state.total if state else 0) < number:
                return Rejected("poor", "The total is too small.")
            return [Linked(key, f"spend {number}", -number)]
        case Take(name=name):
            return [Linked(key, f"take {name}", 0, name)]
        case Overflow():
            return [Linked(key, "overflow", TOO_MUCH)]
    raise RuntimeError("boom")


def evolve(state: Chain | None, event: Linked) -> Chain:
    """The chain with the link."""
    before = state or Chain(chain_id=event.chain_id)
    linked = f"{before.digest}/{event.word}".encode()
    return Chain(
        chain_id=before.chain_id,
        count=before.count + 1,
        total=before.total + event.change,
        digest=hashlib.blake2b(linked, digest_size=8).hexdigest(),
        names=f"{before.names} {event.name}".strip() if event.name else before.names,
    )


def claims(state: Chain | None) -> Iterable[tuple[str, str]]:
    """Every name that was taken."""
    return {("name", name) for name in state.names.split()} if state else set()


class One(msgspec.Struct, frozen=True):
    """Which chain."""

    chain_id: str


COLUMNS = "SELECT chain_id, count, total, digest, names FROM chains"
domain = Domain(
    name="chains",
    commands=(Link, Spend, Take, Explode, Overflow),
    events=(Linked,),
    state=Chain,
    table=StateTable(name="chains", key="chain_id"),
    decide=decide,
    evolve=evolve,
    claims=claims,
    migrations=files("chains") / "migrations",
    queries=(
        Query(path="", summary="Read all chains", sql=COLUMNS, row=Chain, order=("chain_id",)),
        Query(
            path="/{chain_id}",
            summary="Read one chain",
            parameters=One,
            sql=f"{COLUMNS} WHERE chain_id = :chain_id",
            row=Chain,
        ),
    ),
)
