"""Domains: what is refused at start, and how one command is settled."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from homing import Command, Context, Domain, Event, Query, Redirect, Rejected, Response, StateTable
from homing.claims import Claim
from homing.errors import DomainError
from homing.outcome import CommandId, OwnerToken
from homing.registry import Registry, load
from homing.settle import settle

CONTEXT = Context(
    command_id=CommandId("c"),
    key="k",
    owner=OwnerToken("o"),
    accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class Put(Command, type="box.put", key="box_id"):
    """Put something in."""

    box_id: str
    what: str


class Was(Event):
    """It was put in."""

    what: str


class Box(msgspec.Struct, frozen=True):
    """What is in it."""

    box_id: str
    things: tuple[str, ...] = ()


def decide(command: Command, state: Any, context: Context) -> Any:
    """Refuse what is there, break on 'bomb'."""
    assert isinstance(command, Put)
    if command.what == "bomb":
        raise RuntimeError("boom")
    if state and command.what in state.things:
        return Rejected("there", "It is in already.")
    return [Was(command.what)]


def evolve(state: Box | None, event: Was) -> Box:
    """Add it."""
    return Box("k", (*(state.things if state else ()), event.what))


def domain(**changes: Any) -> Domain:
    """A sound domain, but for `changes`."""
    parts: dict[str, Any] = {
        "name": "box",
        "commands": (Put,),
        "events": (Was,),
        "state": Box,
        "table": StateTable(name="boxes", key="box_id"),
        "decide": decide,
        "evolve": evolve,
        "migrations": Path(),
    }
    return Domain(**{**parts, **changes})


def test_the_sample_domain_is_found_by_its_entry_point() -> None:
    """An installed domain needs no registration by hand."""
    assert load().find("locations.register") is not None


@pytest.mark.parametrize("name", ["commands", "outcomes", "session", "docs", "homing", "A", "a-b"])
def test_reserved_and_malformed_names_are_refused(name: str) -> None:
    """A domain cannot shadow the API's own routes or the framework's schema."""
    with pytest.raises(DomainError):
        Registry([domain(name=name)])


def test_a_state_that_can_change_in_place_is_refused() -> None:
    """A failed command must leave the state as it was."""

    class Inner(msgspec.Struct):
        a: int

    class Loose(msgspec.Struct, frozen=True):
        box_id: str
        inner: tuple[Inner, ...]

    class Listed(msgspec.Struct, frozen=True):
        box_id: str
        things: list[str]

    for state in (Loose, Listed):
        with pytest.raises(DomainError, match=r"not frozen|use tuple"):
            Registry([domain(state=state)])


def test_a_query_with_an_unknown_parameter_is_refused() -> None:
    """At start, not at the first request."""
    query = Query(path="", summary="", sql="SELECT :missing", row=Box)
    with pytest.raises(DomainError, match="missing"):
        Registry([domain(queries=(query,))])


def test_a_command_needs_a_type_and_an_existing_key() -> None:
    """Both are on the wire for good."""
    with pytest.raises(DomainError, match="type="):

        class Nameless(Command):
            a: str

    with pytest.raises(DomainError, match="no field"):

        class Keyless(Command, type="box.keyless", key="nothing"):
            a: str


def test_a_command_takes_effect_through_its_events() -> None:
    """decide, evolve and respond make the verdict."""
    verdict = settle(domain(), Put(box_id="k", what="hat"), None, CONTEXT)
    assert verdict.status == "succeeded"
    assert verdict.state == Box("k", ("hat",))
    assert msgspec.json.decode(verdict.data) == {"box_id": "k", "things": ["hat"]}


def test_events_may_be_yielded_one_by_one() -> None:
    """A generator can be read only once; its events must not be lost for it."""
    yielding = domain(decide=lambda *_: (Was(what) for what in ("hat", "scarf")))
    verdict = settle(yielding, Put(box_id="k", what="hat"), None, CONTEXT)
    assert verdict.events == (Was("hat"), Was("scarf"))
    assert msgspec.json.decode(verdict.row or b"", type=Box) == verdict.state


def test_a_rejection_is_a_value_and_changes_nothing() -> None:
    """The state stays the same object."""
    state = Box("k", ("hat",))
    verdict = settle(domain(), Put(box_id="k", what="hat"), state, CONTEXT)
    assert verdict.status == "rejected"
    assert verdict.error is not None
    assert verdict.error.type == "there"
    assert verdict.state is state


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"decide": lambda *_: [object()]},
        {"decide": lambda *_: [Was("x")], "evolve": lambda *_: Box("another key")},
        {"decide": lambda *_: [Was("x")], "respond": lambda *_: Response(data=object())},
        {"decide": lambda *_: None},
        {"decide": lambda *_: (Was(what) for what in (1 / 0, "x"))},
        {"decide": lambda *_: [Was(object())], "evolve": lambda *_: Box("k")},
        {"decide": lambda *_: [Was("x")], "evolve": lambda *_: Box("k", (1,))},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: 1 / 0},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: None},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: {"name"}},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: {("name", 1)}},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: {("Not a name", "x")}},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: {("name", "a\0")}},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: {("name", "\ud800")}},
        {"decide": lambda *_: [Was("x")], "claims": lambda _: {("name", "x" * 601)}},
    ],
)
def test_whatever_a_domain_raises_fails_its_own_command_only(changes: dict[str, Any]) -> None:
    """The state is unchanged, the traceback is kept for the dead letter."""
    state = Box("k", ("hat",))
    verdict = settle(domain(**changes), Put(box_id="k", what="bomb"), state, CONTEXT)
    assert verdict.status == "failed"
    assert verdict.state is state
    assert verdict.traceback


def test_a_state_claims_what_must_be_unique() -> None:
    """Only if something happened; a command that changes nothing needs nothing."""
    claiming = domain(claims=lambda state: {("first", state.things[0])})
    verdict = settle(claiming, Put(box_id="k", what="hat"), None, CONTEXT)
    assert verdict.claims == {Claim("box", "first", "hat")}
    nothing = domain(claims=claiming.claims, decide=lambda *_: [])
    assert settle(nothing, Put(box_id="k", what="x"), verdict.state, CONTEXT).claims == frozenset()


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil", "https://x", "x", "/a b", "/a\nb", ""])
def test_a_redirect_never_leaves_the_origin(to: str) -> None:
    """A path only, and none that a browser reads as another host."""
    with pytest.raises(msgspec.ValidationError):
        Redirect(to=to)
    assert Redirect(to="/locations/1?a=b#c").to == "/locations/1?a=b#c"
