"""The kit for domain authors: it shows what production does, and says well what went wrong."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from homing import (
    Command,
    Context,
    Domain,
    Event,
    Message,
    Redirect,
    Rejected,
    Response,
    StateTable,
)
from homing.errors import DomainError
from homing.testing import Refused, given

SEAT = "a1"


class Book(Command, type="seats.book", key="seat"):
    """Take a seat."""

    seat: str
    guest: str


class Leave(Command, type="seats.leave", key="seat"):
    """Give it up."""

    seat: str


class Open(Command, type="seats.open"):
    """Create a seat, by the command's own id."""

    guest: str


class Booked(Event):
    """Somebody sits there."""

    seat: str
    guest: str
    at: datetime


class Left(Event):
    """Nobody does."""


class Seat(msgspec.Struct, frozen=True):
    """A seat that is taken."""

    seat: str
    guest: str


def decide(command: Command, state: Seat | None, context: Context) -> list[Event] | Rejected:
    """One guest at a time; 'bomb' breaks the rules."""
    match command:
        case Book(guest="bomb"):
            raise RuntimeError("boom")
        case Leave():
            return [Left()] if state else Rejected("empty", "Nobody sits here.")
    if state:
        return Rejected("occupied", "Sorry.", fields={"seat": f"{state.guest} sits here"})
    guest = context.owner if command.guest == "me" else command.guest  # type: ignore[attr-defined]  # Leave is done
    return [Booked(context.key, guest, context.accepted_at)]


def evolve(_state: Seat | None, event: Event) -> Seat | None:
    """A seat is there while somebody sits on it."""
    return Seat(event.seat, event.guest) if isinstance(event, Booked) else None


def respond(command: Command, _events: Any, state: Seat | None) -> Response:
    """Go to the seat."""
    if state is None:
        return Response()
    if state.guest == "huge":
        return Response(data="x" * 70_000)
    if state.guest == "nul":
        return Response(data="\0")
    return Response(actions=[Redirect(to=f"/{state.seat}"), Message("Welcome")], data=state)


def domain(**changes: Any) -> Domain:
    """Seats, of which a guest has only one; but for `changes`."""
    parts: dict[str, Any] = {
        "name": "seats",
        "commands": (Book, Leave, Open),
        "events": (Booked, Left),
        "state": Seat,
        "table": StateTable(name="seats", key="seat"),
        "decide": decide,
        "evolve": evolve,
        "respond": respond,
        "claims": lambda state: {("guest", state.guest)},
        "migrations": Path(),
    }
    return Domain(**{**parts, **changes})


SEATS = domain()
ANN = Book(seat=SEAT, guest="ann")


def message(call: Any) -> str:
    """What a failing assertion says."""
    with pytest.raises(AssertionError) as raised:
        call()
    return str(raised.value)


def test_a_command_is_shown_as_its_client_gets_it() -> None:
    """Actions and data are what JSON makes of them; structs and dicts say the same."""
    then = given(SEATS).when(ANN)
    then.then_succeeded(data={"seat": "a1", "guest": "ann"})
    then.then_succeeded(actions=[Redirect(to="/a1"), Message("Welcome")], data=Seat("a1", "ann"))
    assert then.actions == [
        {"type": "redirect", "to": "/a1"},
        {"type": "message", "text": "Welcome", "level": "info"},
    ]
    assert then.data == {"seat": "a1", "guest": "ann"}
    assert (then.outcome.type, then.outcome.key) == ("seats.book", "a1")


def test_what_was_there_can_be_states_or_events_of_one_key_or_of_several() -> None:
    """A state knows its key, and so does what events make."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    booked = [Booked(seat, guest, at) for seat, guest in (("a1", "ann"), ("b1", "bob"))]
    for past in ([Seat("a1", "ann")], [booked[0]], [[booked[0]], [booked[1]]]):
        given(SEATS, *past).when(ANN).then_rejected("occupied", fields={"seat": "ann sits here"})
    assert given(SEATS, booked[0], Left()).state_of("a1") is None


def test_commands_of_several_keys_run_one_after_another_and_keep_what_is_unique() -> None:
    """A value is another key's until that one gives it up, also by losing its state."""
    twice = Book(seat="b1", guest="ann")
    sitting = given(SEATS).when(ANN).when(Book(seat="c1", guest="bob"))
    sitting.when(twice).then_rejected("taken", fields={"guest": "This guest is taken."})
    left = sitting.when(Leave(seat="a1")).then_state(None).when(twice).then_succeeded()
    assert (left.state_of("a1"), left.state_of("b1")) == (None, Seat("b1", "ann"))


def test_states_that_are_given_have_their_claims() -> None:
    """And cannot be together if production could not have both."""
    given(SEATS, Seat("z", "ann")).when(ANN).then_rejected("taken")
    with pytest.raises(ValueError, match="another key has"):
        given(SEATS, Seat("y", "ann"), Seat("z", "ann"))
    with pytest.raises(ValueError, match="twice"):
        given(SEATS, Seat("y", "ann"), Seat("y", "bob"))


def test_a_scenario_is_never_changed_by_what_goes_on_from_it() -> None:
    """Several tests may share one beginning."""
    there = given(SEATS).when(ANN)
    there.when(Leave(seat="a1")).then_state(None)
    there.when(Leave(seat="a1")).then_events(Left())
    assert there.state == Seat("a1", "ann")


def test_a_test_can_say_who_sent_a_command_when_and_under_which_id() -> None:
    """The id is the key of a command that creates."""
    at = datetime(2030, 5, 5, tzinfo=UTC)
    then = given(SEATS).when(Open(guest="me"), command_id="new", owner="carl", accepted_at=at)
    then.then_events(Booked("new", "carl", at)).then_state(Seat("new", "carl"))
    assert then.context == Context(command_id="new", key="new", owner="carl", accepted_at=at)  # type: ignore[arg-type]  # plain text will do
    assert then.outcome.timeline.accepted_at == at


def test_what_a_test_does_not_say_is_the_same_every_time() -> None:
    """Ids and times count on, so that two commands never share them."""
    first = given(SEATS).when(Open(guest="ann"))
    second = first.when(Open(guest="bob"))
    again = given(SEATS).when(Open(guest="ann"))
    assert first.context == again.context
    assert first.context.command_id < second.context.command_id
    assert first.context.accepted_at < second.context.accepted_at


def test_what_the_api_would_not_accept_is_refused_with_its_words() -> None:
    """A struct made in Python is validated like one that came as JSON."""
    with pytest.raises(Refused, match=r"Expected `str`, got `int` - at `\$\.guest`"):
        given(SEATS).when(Book(seat="a1", guest=5))  # type: ignore[arg-type]  # that is the point
    with pytest.raises(Refused, match="1 to 200 characters"):
        given(SEATS).when(Book(seat="", guest="ann"))
    with pytest.raises(Refused, match=r"U\+0000"):
        given(SEATS).when(Book(seat="a1", guest="a\0"))


def test_a_domain_that_would_be_refused_at_start_is_refused_here() -> None:
    """With the same error."""
    with pytest.raises(DomainError):
        given(domain(name="commands"))


def test_a_broken_rule_fails_the_command_and_shows_where() -> None:
    """The state stays; the traceback is the domain's own."""
    then = given(SEATS).when(Book(seat="a1", guest="bomb"))
    then.then_failed(because="boom").then_state(None).then_events()
    said = message(then.then_succeeded)
    assert said.startswith("seats.book: expected succeeded")
    assert "outcome       failed as 'domain-error'" in said
    assert 'raise RuntimeError("boom")' in said


def test_an_outcome_that_no_client_could_get_fails_as_in_production() -> None:
    """Too large, with an action that is none, or with what Postgres cannot look into."""
    given(SEATS).when(Book(seat="a1", guest="huge")).then_failed("outcome-too-large")
    odd = domain(respond=lambda *_: Response(actions=[Message("x", level="loud")]))  # type: ignore[arg-type]  # that is the point
    given(odd).when(ANN).then_failed("outcome-invalid").then_state(None)
    given(SEATS).when(Book(seat="a1", guest="nul")).then_failed("outcome-invalid").then_state(None)


def test_a_state_is_what_the_database_would_give_back() -> None:
    """One that could not be read again fails its command."""
    given(domain(evolve=lambda *_: Seat("a1", 5))).when(ANN).then_failed(because="Expected `str`")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="stored"):
        given(SEATS, Seat("a1", 5))  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    "wrong",
    [
        lambda then: then.then_rejected("occupied"),
        lambda then: then.then_failed(),
        lambda then: then.then_events(),
        lambda then: then.then_state(None),
        lambda then: then.then_succeeded(data={}),
        lambda then: then.then_succeeded(actions=[]),
    ],
)
def test_whatever_is_wrong_the_whole_story_is_told(wrong: Any) -> None:
    """What was asked, what was there, what happened, what the client got."""
    said = message(lambda: wrong(given(SEATS).when(ANN)))
    for part in (
        "Book(seat='a1', guest='ann')", "state before  None", "outcome       succeeded",
        "[Booked(seat='a1', guest='ann', at=", "state after   Seat(seat='a1', guest='ann')",
        "{'type': 'redirect', 'to': '/a1'}", "{'seat': 'a1', 'guest': 'ann'}",
    ):  # fmt: skip
        assert part in said, said


def test_a_rejection_of_another_kind_tells_its_own() -> None:
    """With the fields that it names."""
    then = given(SEATS, Seat("a1", "bob")).when(ANN)
    said = message(lambda: then.then_rejected("taken"))
    assert "expected rejected as 'taken'" in said
    assert "outcome       rejected as 'occupied': Sorry. {'seat': 'bob sits here'}" in said
    assert "expected      {'seat': 'x'}" in message(
        lambda: then.then_rejected("occupied", fields={"seat": "x"})
    )


def test_a_step_that_nobody_spoke_of_must_have_succeeded() -> None:
    """What only prepares a test cannot go wrong unseen; what was looked at may."""
    refused = given(SEATS).when(Leave(seat="a1"))
    assert "rejected as 'empty'" in message(lambda: refused.when(ANN))
    given(SEATS).when(Leave(seat="a1")).then_rejected("empty").when(ANN).then_succeeded()


def test_the_kit_needs_nothing_of_the_servers() -> None:
    """Only what a plain installation brings."""
    code = """
import sys
for name in ("nats", "asyncpg", "quart", "structlog", "asyncio"):
    sys.modules[name] = None
from homing.testing import given
from locations import domain
from locations.commands import RegisterLocation
given(domain).when(RegisterLocation(name="Ulm", category="City")).then_succeeded()
foreign = {name.split(".")[0] for name in sys.modules if name not in sys.builtin_module_names}
print(*sorted(foreign & {"homing_api", "homing_reactor", "hypercorn", "opentelemetry"}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr
