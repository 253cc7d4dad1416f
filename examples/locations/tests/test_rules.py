"""The rules of the sample domain: what a command leads to, and what the client is told of it."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from homing import Command, Message, Redirect, Refresh
from homing.testing import Refused, given
from locations import domain
from locations.commands import CloseLocation, MoveLocation, RegisterLocation, RenameLocation
from locations.events import LocationClosed, LocationMoved, LocationRegistered, LocationRenamed
from locations.state import Location

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
ULM = Location(
    location_id="ulm", name="Ulm", category="City", description="Spire", registered_at=AT
)
CLOSED = replace(ULM, closed_at=AT)
REGISTER = RegisterLocation(name="Ulm", category="City", description="Spire")
RENAME = RenameLocation(location_id="ulm", name="Neu-Ulm")
MOVE = MoveLocation(location_id="ulm", category="Town")
CLOSE = CloseLocation(location_id="ulm")


def test_a_registered_place_gets_a_page_of_its_own() -> None:
    """The client goes there and says so; its key is the id of the command."""
    then = given(domain).when(REGISTER, command_id="ulm", accepted_at=AT)
    then.then_events(LocationRegistered("ulm", "Ulm", "City", "Spire", AT))
    then.then_state(ULM)
    then.then_succeeded(
        actions=[Redirect(to="/locations/ulm"), Message("Ulm is on the map.", level="success")],
        data=ULM,
    )


def test_space_around_a_name_is_no_part_of_it() -> None:
    """Neither when it is registered nor when it is renamed."""
    padded = RegisterLocation(name=" Ulm ", category="City")
    assert given(domain).when(padded).data["name"] == "Ulm"
    renamed = RenameLocation(location_id="ulm", name="\tNeu-Ulm ")
    given(domain, ULM).when(renamed).then_events(LocationRenamed("Neu-Ulm"))


def test_a_renamed_place_shows_its_new_name_where_it_is() -> None:
    """The page stays, and reads the place again."""
    then = given(domain, ULM).when(RENAME).then_events(LocationRenamed("Neu-Ulm"))
    then.then_state(replace(ULM, name="Neu-Ulm"))
    assert then.actions[0] == {"type": "refresh", "query": "locations/ulm"}


def test_a_moved_place_is_in_its_new_category() -> None:
    """And nothing else of it changes."""
    then = given(domain, ULM).when(MOVE).then_events(LocationMoved("Town"))
    then.then_state(replace(ULM, category="Town"))
    then.then_succeeded(
        actions=[
            Refresh(query="locations/ulm"),
            Message("Ulm is in the category Town now.", level="success"),
        ]
    )


def test_a_closed_place_says_since_when_and_leads_back_to_the_list() -> None:
    """It is not in the list any more."""
    then = given(domain, ULM).when(CLOSE, accepted_at=LATER).then_events(LocationClosed(LATER))
    then.then_state(replace(ULM, closed_at=LATER))
    assert then.actions[0] == {"type": "redirect", "to": "/locations"}


@pytest.mark.parametrize(
    "command",
    [
        RenameLocation(location_id="ulm", name=" Ulm "),
        MoveLocation(location_id="ulm", category="City"),
    ],
)
def test_what_is_so_already_succeeds_and_nothing_happens(command: Command) -> None:
    """The person has what they asked for, and is told so."""
    then = given(domain, ULM).when(command).then_succeeded(data=ULM).then_events()
    assert [action["type"] for action in then.actions] == ["message"]


@pytest.mark.parametrize("command", [RENAME, MOVE, CLOSE])
def test_what_is_unknown_or_closed_cannot_be_changed(command: Command) -> None:
    """Each with a type of its own, that a client can tell apart."""
    given(domain).when(command).then_rejected("unknown-location")
    given(domain, CLOSED).when(command).then_rejected("closed").then_state(CLOSED)


def test_a_place_is_registered_once() -> None:
    """Also after it was closed."""
    for there in (ULM, CLOSED):
        given(domain, there).when(REGISTER, command_id="ulm").then_rejected("exists")


def test_a_name_is_taken_whatever_its_case() -> None:
    """Case is folded, so that ß and SS are the same too; the field is named."""
    there = given(domain).when(RegisterLocation(name="Gießen", category="City"))
    there.when(RegisterLocation(name="GIESSEN", category="Town")).then_rejected(
        "taken", fields={"name": "This name is taken."}
    )
    given(domain, ULM, replace(ULM, location_id="b", name="Bonn")).when(
        RenameLocation(location_id="b", name="ulm")
    ).then_rejected("taken")


def test_a_place_may_write_its_own_name_in_another_case() -> None:
    """The name that it has is its own."""
    shout = RenameLocation(location_id="ulm", name="ULM")
    given(domain, ULM).when(shout).then_events(LocationRenamed("ULM"))


def test_a_name_is_free_again_once_its_place_is_closed_or_renamed() -> None:
    """For anybody who comes later."""
    for command in (CLOSE, RENAME):
        given(domain, ULM).when(command).when(REGISTER).then_succeeded()


def test_the_longest_name_can_be_claimed() -> None:
    """Folding the case of a letter can make three of it."""
    given(domain).when(RegisterLocation(name="\u0390" * 200, category="Town")).then_succeeded()


@pytest.mark.parametrize("name", ["", " ", "x" * 201])
def test_a_name_that_is_none_is_not_even_accepted(name: str) -> None:
    """The field is named."""
    with pytest.raises(Refused, match=r"\$\.name"):
        given(domain).when(RegisterLocation(name=name, category="Town"))


def test_the_history_of_a_place_makes_its_state() -> None:
    """Events alone are enough."""
    history = given(
        domain,
        LocationRegistered("ulm", "Ulm", "City", "Spire", AT),
        LocationRenamed("Neu-Ulm"),
        LocationMoved("Town"),
        LocationClosed(LATER),
    )
    expected = replace(ULM, name="Neu-Ulm", category="Town", closed_at=LATER)
    assert history.state_of("ulm") == expected
