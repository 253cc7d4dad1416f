"""The sample domain's rules, each command settled as the framework does it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from homing import Context, Message, Redirect, Refresh
from homing.claims import Claim
from homing.registry import Registry
from homing.settle import Verdict, settle
from locations import domain
from locations.state import Location

REGISTRY = Registry([domain])
AT = datetime(2026, 1, 1, tzinfo=UTC)
ULM = Location(location_id="k", name="Ulm", category="City", description="Spire", registered_at=AT)
CLOSED = msgspec.structs.replace(ULM, closed_at=AT)


def when(state: Location | None, verb: str, **payload: Any) -> Verdict:
    """What becomes of the command."""
    if verb != "register":
        payload["location_id"] = "k"
    found = REGISTRY.find(f"locations.{verb}")
    assert found is not None
    command = found[1].decode(msgspec.json.encode(payload))
    context = Context(command_id=Any, key="k", owner=Any, accepted_at=AT + timedelta(hours=1))
    verdict = settle(domain, command, state, context)
    assert verdict.status != "failed", verdict.traceback
    return verdict


def error(verdict: Verdict) -> str:
    """Why it was rejected."""
    assert verdict.status == "rejected"
    assert verdict.error is not None
    return verdict.error.type


def test_a_registered_place_gets_a_page_of_its_own() -> None:
    """The client goes there and says so; space around the name is no part of it."""
    verdict = when(None, "register", name=" Ulm ", category="City", description="Spire")
    assert verdict.state == msgspec.structs.replace(ULM, registered_at=AT + timedelta(hours=1))
    assert verdict.actions[0] == Redirect(to="/locations/k")
    assert verdict.actions[1] == Message(text="Ulm is on the map.", level="success")


def test_a_renamed_place_shows_its_new_name_where_it_is() -> None:
    """The page stays, and reads the place again."""
    verdict = when(ULM, "rename", name="Neu-Ulm")
    assert verdict.state == msgspec.structs.replace(ULM, name="Neu-Ulm")
    assert verdict.actions[0] == Refresh(query="locations/k")


def test_a_moved_place_is_in_its_new_category() -> None:
    """And nothing else of it changes."""
    verdict = when(ULM, "move", category="Town")
    assert verdict.state == msgspec.structs.replace(ULM, category="Town")
    assert verdict.actions[0] == Refresh(query="locations/k")


def test_a_closed_place_says_since_when_and_leads_back_to_the_list() -> None:
    """It is not in the list any more."""
    verdict = when(ULM, "close")
    assert verdict.state == msgspec.structs.replace(ULM, closed_at=AT + timedelta(hours=1))
    assert verdict.actions[0] == Redirect(to="/locations")


@pytest.mark.parametrize(
    ("verb", "payload"), [("rename", {"name": " Ulm "}), ("move", {"category": "City"})]
)
def test_what_is_so_already_succeeds_and_nothing_happens(verb: str, payload: Any) -> None:
    """The person has what they asked for."""
    verdict = when(ULM, verb, **payload)
    assert (verdict.status, verdict.events, verdict.state) == ("succeeded", (), ULM)
    assert [type(action) for action in verdict.actions] == [Message]


@pytest.mark.parametrize(
    ("verb", "payload"), [("rename", {"name": "X"}), ("move", {"category": "Town"}), ("close", {})]
)
def test_what_is_unknown_or_closed_cannot_be_changed(verb: str, payload: Any) -> None:
    """Each with a type of its own, that a client can tell apart."""
    assert error(when(None, verb, **payload)) == "unknown-location"
    assert error(when(CLOSED, verb, **payload)) == "closed"


def test_a_place_is_registered_once() -> None:
    """Also after it was closed."""
    assert error(when(ULM, "register", name="X", category="Town")) == "exists"
    assert error(when(CLOSED, "register", name="X", category="Town")) == "exists"


def test_a_name_is_claimed_whatever_its_case_until_the_place_is_closed() -> None:
    """Case folded, so that ß and SS are the same too."""
    verdict = when(ULM, "rename", name="Gießen")
    assert verdict.claims == {Claim("locations", "name", "giessen")}
    assert when(ULM, "close").claims == frozenset()


def test_the_longest_name_can_be_claimed() -> None:
    """Folding the case of a letter can make three of it."""
    assert when(ULM, "rename", name="\u0390" * 200).status == "succeeded"
