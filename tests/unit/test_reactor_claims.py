"""Claims of a round, without servers: compared with commands that run one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.broker import Delivery
from homing.claims import Claim
from homing.envelope import Envelope
from homing.identity import owner_token
from homing.ledger import ClaimsUnforeseen, Ledger
from homing.outcome import decode_outcome, now
from homing.registry import load
from homing_reactor.deciding import Decider
from homing_reactor.failure import Verdict, judge
from homing_reactor.intake import Task
from locations.state import Location

DOMAIN = load().domains["locations"]
OWNER = owner_token("anonymous", "me")
AT = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = "somebody-else"


@dataclass
class Table:
    """What Postgres keeps: the states, and the claims of everybody."""

    states: dict[str, Location] = field(default_factory=dict)
    claims: dict[Claim, str] = field(default_factory=dict)


def name(value: str) -> Claim:
    """The claim of a location's name."""
    return Claim("locations", "name", value)


def place(key: str, called: str) -> Location:
    """A place on the map."""
    return Location(location_id=key, name=called, category="Town", description="", registered_at=AT)


def table(**names: str) -> Table:
    """Places by key."""
    return Table(
        {key: place(key, called) for key, called in names.items()},
        {name(called): key for key, called in names.items()},
    )


def task(sequence: int, key: str, verb: str, called: str = "") -> Task:
    """A command of a location."""
    given = {"name": called} if called else {}
    payload = given | ({"category": "Town"} if verb == "register" else {"location_id": key})
    found = load_command(f"locations.{verb}", payload)
    delivery = Delivery(sequence, sequence, 1, "s", {}, b"", now(), now(), "r")
    made = Envelope(
        specversion="1.0", id=f"{sequence}", type=f"locations.{verb}", key=key, accepted_at=AT,
        owner=OWNER, fingerprint="f" * 22, payload=msgspec.Raw(b"{}"),
    )  # fmt: skip
    return Task(delivery, made, DOMAIN, found)


_REGISTRY = load()


def load_command(kind: str, payload: dict[str, str]) -> Any:
    """The command, as the intake decodes it."""
    found = _REGISTRY.find(kind)
    assert found is not None
    return found[1].decode(msgspec.json.encode(payload))


def apply(stored: Table, *numbered: tuple[int, Task]) -> list[str]:
    """What a reactor does with a round, Postgres's part played by a dict; how each ended."""
    keys = {task.envelope.key for _, task in numbered if task.envelope}
    states = {"locations": {key: stored.states[key] for key in keys if key in stored.states}}
    ledger = Ledger({claim: key for claim, key in stored.claims.items() if key in keys})
    decider = Decider(incarnation=1)
    plan = decider.decide(numbered, {}, states, None, ledger)
    lost = {claim for claim in ledger.asked if claim in stored.claims}
    inserted = {claim: key for claim, key in ledger.asked.items() if claim not in lost}
    if lost:
        ledger = ledger.after_losing(lost)
        plan = decider.decide(numbered, {}, states, None, ledger)
        if ledger.unforeseen:
            raise ClaimsUnforeseen(ledger.unforeseen)
    stored.claims |= inserted
    for claim, holder in ledger.changes().items():
        assert claim in inserted or stored.claims[claim] in keys, "somebody else's claim"
        if holder is None:
            del stored.claims[claim]
        else:
            stored.claims[claim] = holder
    for key, row in plan.changed.get("locations", {}).items():
        stored.states[key] = msgspec.json.decode(row or b"", type=Location)
    return [ended(row.body) for row in plan.outcomes]


def apply_all(stored: Table, *numbered: tuple[int, Task]) -> list[str]:
    """As the lane does: a partition whose claims could not be foreseen goes on alone, halved."""
    try:
        return apply(stored, *numbered)
    except ClaimsUnforeseen:
        assert len(numbered) > 1, "a single command asks for nothing new"
        half = len(numbered) // 2
        return apply_all(stored, *numbered[:half]) + apply_all(stored, *numbered[half:])


def ended(body: str) -> str:
    """`succeeded`, or the type of the error."""
    outcome = decode_outcome(body.encode())
    return outcome.status if outcome.error is None else outcome.error.type


def one(*tasks: Task) -> list[tuple[int, Task]]:
    """All of one partition."""
    return [(0, task) for task in tasks]


def test_the_second_of_two_keys_in_a_round_loses_the_name_and_is_told_at_the_field() -> None:
    """The stream's order decides, and the client can show it where it belongs."""
    decider, ledger = Decider(incarnation=1), Ledger()
    both = [(0, task(1, "a", "register", "Ulm")), (1, task(2, "b", "register", "ULM"))]
    plan = decider.decide(both, {}, {}, None, ledger)
    first, second = (decode_outcome(row.body.encode()) for row in plan.outcomes)
    assert (first.status, second.status) == ("succeeded", "rejected")
    assert second.error is not None
    assert second.error.type == "taken"
    assert second.error.fields == {"name": "This name is taken."}
    assert plan.changed["locations"].keys() == {"a"}


def test_a_name_that_somebody_else_has_is_rejected_and_nothing_of_it_stays() -> None:
    """Whether in the same case or not."""
    stored = table(x="ulm")
    assert apply(stored, *one(task(1, "a", "register", "Ulm"))) == ["taken"]
    assert stored == table(x="ulm")


def test_a_name_is_free_for_whoever_comes_after_its_holder_closed() -> None:
    """Also in the same round, in the same partition and in another."""
    for partition in (0, 1):
        stored = table(a="ulm")
        close = (0, task(1, "a", "close"))
        assert apply(stored, close, (partition, task(2, "b", "register", "Ulm"))) == [
            "succeeded",
            "succeeded",
        ]
        assert stored.claims == {name("ulm"): "b"}


def test_whoever_comes_before_the_holder_closes_is_rejected() -> None:
    """The name was taken at that moment."""
    stored = table(a="ulm")
    assert apply(stored, *one(task(1, "b", "register", "Ulm"), task(2, "a", "close"))) == [
        "taken",
        "succeeded",
    ]
    assert stored.claims == {}


def test_a_key_can_leave_its_name_and_come_back_in_one_round() -> None:
    """What it held at its start is its own as long as nobody took it."""
    stored = table(a="x")
    there_and_back = one(task(1, "a", "rename", "y"), task(2, "a", "rename", "x"))
    assert apply(stored, *there_and_back) == ["succeeded", "succeeded"]
    assert stored.claims == {name("x"): "a"}


def test_a_key_cannot_come_back_to_a_name_that_was_taken_meanwhile() -> None:
    """As if the three had run one after another."""
    stored = table(a="x")
    rounds = one(
        task(1, "a", "rename", "y"), task(2, "b", "register", "x"), task(3, "a", "rename", "x")
    )
    assert apply(stored, *rounds) == ["succeeded", "succeeded", "taken"]
    assert stored.claims == {name("x"): "b", name("y"): "a"}


def test_a_rename_through_a_taken_name_loses_that_step_alone() -> None:
    """The next one starts from the name before it."""
    stored = table(a="x", other="y")
    through = one(task(1, "a", "rename", "y"), task(2, "a", "rename", "z"))
    assert apply(stored, *through) == ["taken", "succeeded"]
    assert stored.claims == {name("z"): "a", name("y"): "other"}


def test_a_lost_rename_keeps_the_old_name_from_those_who_wanted_it() -> None:
    """The whole round is decided again, not only the key that lost."""
    stored = table(a="x", other="y")
    after = one(task(1, "a", "rename", "y"), task(2, "b", "register", "x"))
    assert apply(stored, *after) == ["taken", "taken"]
    assert stored == table(a="x", other="y")


def test_two_keys_cannot_swap_their_names() -> None:
    """There is no moment at which one of them is free; through a third name it works."""
    stored = table(a="x", b="y")
    swap = one(task(1, "a", "rename", "y"), task(2, "b", "rename", "x"))
    assert apply(stored, *swap) == ["taken", "taken"]
    third = one(
        task(3, "a", "rename", "z"), task(4, "b", "rename", "x"), task(5, "a", "rename", "y")
    )
    assert apply(stored, *third) == ["succeeded", "succeeded", "succeeded"]
    assert stored.claims == {name("x"): "b", name("y"): "a"}


def test_what_is_asked_for_only_because_a_claim_was_lost_is_not_inserted_afterwards() -> None:
    """A second insert could deadlock: the round is rolled back, that partition goes on alone."""
    stored = table(other="y")
    twice = [(3, task(1, "a", "register", "y")), (3, task(2, "a", "register", "z"))]
    with pytest.raises(ClaimsUnforeseen) as raised:
        apply(stored, (1, task(3, "b", "register", "v")), *twice)
    assert raised.value.partitions == {3}
    assert judge(raised.value, 2.0) is Verdict.ALONE
    assert stored == table(other="y")
    assert apply_all(stored, *twice) == ["taken", "succeeded"]


KEYS, NAMES = ["a", "b", "c", "d"], ["x", "y", "z"]
steps = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(["register", "rename", "close"]),
        st.sampled_from(NAMES),
    ),
    min_size=1,
    max_size=14,
)


def sequentially(taken: dict[str, str], states: dict[str, str], step: tuple[str, str, str]) -> str:
    """The model: one command after another, with a dict of names ("" is closed)."""
    key, verb, called = step
    current = states.get(key)
    if verb == "register" and current is not None:
        return "exists"
    if verb != "register" and current is None:
        return "unknown-location"
    if current == "":
        return "closed"
    if verb == "close":
        called = ""
    if called and taken.get(called, key) != key:
        return "taken"
    taken.pop(current or "", None)
    states[key] = called
    if called:
        taken[called] = key
    return "succeeded"


@given(steps, st.lists(st.integers(1, 6), min_size=1, max_size=8), st.sets(st.sampled_from(NAMES)))
def test_rounds_end_as_commands_that_run_one_after_another(
    wanted: list[tuple[str, str, str]], sizes: list[int], foreign: set[str]
) -> None:
    """However they are cut into rounds, over few names, keys and partitions, some names taken."""
    stored = Table(claims={name(value): OTHER for value in foreign})
    taken, states = dict.fromkeys(foreign, OTHER), dict[str, str]()
    tasks = [
        (KEYS.index(key) % 2, task(number, key, verb, "" if verb == "close" else called))
        for number, (key, verb, called) in enumerate(wanted)
    ]
    results: list[str] = []
    for size in [*sizes, len(tasks)]:
        results += apply_all(stored, *tasks[:size]) if tasks[:size] else []
        tasks = tasks[size:]
        open_names = {
            name(state.name): key for key, state in stored.states.items() if not state.closed_at
        }
        assert stored.claims == open_names | {name(value): OTHER for value in foreign}
    assert results == [sequentially(taken, states, step) for step in wanted]


@pytest.mark.parametrize("seed", [{"x"}, {"x", "y"}])
def test_the_first_command_of_a_partition_never_asks_for_anything_new(seed: set[str]) -> None:
    """So that going on alone ends, whatever others took meanwhile."""
    first = one(task(1, "a", "rename", "x"))
    ledger = Ledger({name("old"): "a"})
    decider, states = Decider(incarnation=1), {"locations": {"a": place("a", "old")}}
    decider.decide(first, {}, states, None, ledger)
    ledger = ledger.after_losing({name(value) for value in seed})
    decider.decide(first, {}, states, None, ledger)
    assert ledger.unforeseen == set()
    assert ledger.changes() == {}
