"""What a domain author writes: commands, a state, pure functions, queries, migrations. Pure.

`decide` says what happens, `evolve` says what that makes of the state, `claims` says what of the
state must be unique, `respond` says what the client is told. None of them needs a clock, random ids
or I/O: `Context` has what they may know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

from homing.actions import Action
from homing.commands import Command, Event
from homing.outcome import CommandId, OwnerToken
from homing.queries import Query


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain may know of a command beside its payload and the state."""

    command_id: CommandId
    key: str
    owner: OwnerToken
    accepted_at: datetime


class Rejected(msgspec.Struct, frozen=True):
    """A business rule said no: a value, not an exception.

    `type` is stable and lower case (`closed`, `taken`); `fields` says what is wrong with which
    field of the payload.
    """

    type: str
    detail: str
    title: str = "Rejected"
    fields: dict[str, str] = {}


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What the client is told: what to do next, and the read model itself."""

    actions: Sequence[Action] = ()
    data: Any = None


@dataclass(frozen=True, kw_only=True)
class StateTable:
    """The table that holds the state, one row per key; its columns are the state's fields.

    The framework loads and saves it in bulk. `key` names the field, and column, that is the key.
    """

    name: str
    key: str


Decide = Callable[[Any, Any, Context], Sequence[Event] | Rejected]
Evolve = Callable[[Any, Any], Any]
Respond = Callable[[Any, Sequence[Event], Any], Response]
Claims = Callable[[Any], Iterable[tuple[str, str]]]


def respond_with_state(_command: Command, _events: Sequence[Event], state: Any) -> Response:
    """The default `respond`: no action, the state as data."""
    return Response(data=state)


def claim_nothing(_state: Any) -> Iterable[tuple[str, str]]:
    """The default `claims`: nothing has to be unique."""
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Domain:
    """Everything that Homing needs to know of a domain; offered as an entry point.

    The name of the entry point in the group `homing.domains` is the domain's name, which is also
    its schema in Postgres, the first half of its command types, and its place below `/api/`.
    """

    name: str
    commands: tuple[type[Command], ...]
    events: tuple[type[Event], ...]
    state: type[msgspec.Struct]
    table: StateTable
    decide: Decide
    evolve: Evolve
    migrations: Traversable
    """A folder of `NNNN_title.sql`, which name tables without a schema."""
    respond: Respond = respond_with_state
    claims: Claims = claim_nothing
    """The (name, value) pairs that a state needs for its key alone: unique in the domain.

    A command whose state would need a value that another key has is rejected as `taken`, with the
    claim's name among the error's `fields`: name claims like the payload's fields. A state that no
    longer returns a value gives it up. A key without a state has none. Values are text of up to
    600 characters; a domain that starts to claim later holds only what is asked for from then on.
    """
    queries: tuple[Query, ...] = field(default=())
