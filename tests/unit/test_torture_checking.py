"""The judge of the torture run, with hand-made histories: it finds what is wrong, and only it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from torture import answers, history
from torture.books import Name, gather
from torture.checking import check
from torture.history import (
    ENDED,
    Accepted,
    Asked,
    Entry,
    Fault,
    Final,
    Kind,
    Log,
    Phase,
    Read,
    Refused,
    Repeated,
    Reset,
    Sent,
    Status,
    Told,
)
from torture.model import Chain, amount_of, expect


@dataclass
class Story:
    """Two owners who send to their chains, and are told what the rules say, until a test lies."""

    entries: list[Entry] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    sequence: int = 0
    numbers: Counter[str] = field(default_factory=Counter)

    def send(
        self, key: str, kind: Kind = "link", *, name: str = "", status: Status | None = None,
        told: bool = True,
    ) -> Name:  # fmt: skip
        """A command that is accepted, and told if not said otherwise."""
        self.numbers[key] += 1
        number, t = self.numbers[key], float(len(self.entries))
        owner = int(key[-1]) % 2
        sent = Sent(t=t, owner=owner, key=key, number=number, kind=kind, way="batch", name=name)
        self.sequence += 1
        self.entries += [
            sent, Accepted(t=t + 0.1, key=key, number=number, id=id_of(key, number), partition=1),
        ]  # fmt: skip
        before = self.chains.get(key, Chain())
        expected = expect(before, sent, amount_of(sent))
        status = status or expected.statuses[0]
        if status == "succeeded":
            self.chains[key] = expected.succeeded
        if told:
            self.tell(key, number, status, sent)
        return key, number

    def tell(self, key: str, number: int, status: Status, sent: Sent, **changes: Any) -> None:
        """Its owner is told, on its stream."""
        error = {"spend": "poor", "take": "taken"}.get(sent.kind, "boom")
        data = self.data(key) if status == "succeeded" else b"null"
        said = Told(
            t=sent.t + 0.2, owner=sent.owner, id=id_of(key, number), by="stream", status=status,
            key=key, sequence=self.sequence, error="" if status == "succeeded" else error,
            data=msgspec.Raw(data),
        )  # fmt: skip
        self.entries.append(msgspec.structs.replace(said, **changes))

    def data(self, key: str) -> bytes:
        """The chain as it is, as an outcome and the read model have it."""
        return msgspec.json.encode({"chain_id": key, **asdict(self.chains[key])})

    def told(self, key: str, number: int) -> Told:
        """What was told of a command."""
        return next(
            one for one in self.entries if isinstance(one, Told) and one.id == id_of(key, number)
        )

    def change(self, entry: Entry, **changes: Any) -> None:
        """Make of an entry another."""
        self.entries[self.entries.index(entry)] = msgspec.structs.replace(entry, **changes)

    def end(self) -> list[str]:
        """Read the read model; the kinds of violations."""
        self.entries.append(Phase(t=1000, name="read"))
        for key in self.chains:
            self.entries.append(Final(t=1000, row=msgspec.Raw(self.data(key))))
        return [violation.kind for violation in check(gather(self.entries))]


def id_of(key: str, number: int) -> str:
    return f"id of {key}/{number}"


@pytest.fixture
def story() -> Story:
    """Something of everything, and all of it right."""
    story = Story()
    for key in ("k-1", "k-2", "k-3"):
        story.send(key)
        story.send(key, "take", name="n", status="succeeded" if key == "k-2" else "rejected")
        story.send(key)
    story.send("k-1", "spend")
    story.send("k-4", "spend")  # too poor
    story.send("k-1", "explode")
    story.send("k-1", "overflow")
    story.send("k-1")
    return story


def test_a_right_history_is_right(story: Story) -> None:
    """With poison, races, repeats and outcomes that were told before the 202."""
    first = story.told("k-1", 1)
    story.entries.remove(first)
    story.entries.insert(0, first)
    story.entries.append(first)  # resumed streams tell again
    story.entries.append(Repeated(t=9, key="k-1", number=1, id=id_of("k-1", 1)))
    story.entries.append(Read(t=9, key="k-1", told_count=2, seen_count=3))
    assert story.end() == []


def test_what_was_never_told_is_lost(story: Story) -> None:
    """Accepted, and still pending when asked for at the end."""
    key, number = story.send("k-1", "explode", told=False)
    story.entries.append(Asked(t=99, key=key, number=number, answer="200: pending"))
    assert story.end() == ["lost"]


def test_without_any_answer_it_is_unanswered(story: Story) -> None:
    """Not even the status was told; or it was never accepted at all."""
    story.send("k-1", "explode", told=False)
    story.entries.append(Sent(t=1, owner=0, key="k-8", number=1, kind="link", way="batch"))
    assert story.end() == ["unanswered", "unanswered"]


def test_an_outcome_that_only_the_status_tells_was_not_told(story: Story) -> None:
    """A stream that is kept open has to tell it; after a reset its owner has to ask."""
    story.change(story.told("k-1", 1), by="asked")
    assert story.end() == ["untold"]
    story.entries.append(Reset(t=5, owner=1))
    assert [violation.kind for violation in check(gather(story.entries))] == []


def test_a_reset_excuses_nothing_that_was_accepted_after_it(story: Story) -> None:
    """From there on the stream is a whole one again."""
    story.change(story.told("k-1", 1), by="asked")
    story.entries.append(Reset(t=-1, owner=1))
    assert story.end() == ["untold"]


def test_a_process_that_ends_by_itself_is_a_violation(story: Story) -> None:
    """Whoever ends it on purpose has planned it."""
    story.entries.append(Fault(t=5, until=5, kind="kill", whom="reactor-1"))
    story.entries.append(Fault(t=6, until=6, kind=ENDED, whom="api-1", note="exit code 1"))
    assert story.end() == ["ended"]


@pytest.mark.parametrize(("status", "again"), [(429, True), (500, False), (502, True), (503, True)])
def test_a_500_without_an_outcome_is_no_reason_to_try_again(status: int, again: bool) -> None:
    """It is written down as an answer that the interface does not know."""
    assert answers.of_submit(status, b"{}").again is again


def test_a_stream_of_one_command_has_to_tell_it(story: Story) -> None:
    """It is kept open, whatever another stream told."""
    sent = next(one for one in story.entries if isinstance(one, Sent))
    story.change(sent, way="events")
    assert story.end() == ["untold"]


def test_an_effect_that_is_missing_is_lost(story: Story) -> None:
    """The client was told of it, but what came after does not contain it."""
    story.chains["k-1"] = Chain()
    story.send("k-1")
    assert story.end() == ["lost"]


def test_an_effect_that_is_there_twice_is_doubled(story: Story) -> None:
    """Found in the next outcome, and once only."""
    story.chains["k-1"] = story.chains["k-1"].linked("link 1", 1)
    story.send("k-1")
    story.send("k-1")
    assert story.end() == ["doubled"]


def test_a_doubled_last_effect_is_found_in_the_read_model(story: Story) -> None:
    """No later outcome tells of it."""
    story.chains["k-1"] = story.chains["k-1"].linked("link 1", 1)
    assert story.end() == ["doubled"]


def test_a_row_that_is_missing_is_lost(story: Story) -> None:
    """The read model equals a replay, or it is wrong."""
    del story.chains["k-3"]
    assert story.end() == ["lost"]


def test_two_outcomes_of_one_command_are_two(story: Story) -> None:
    """However they are told, they have to be the same."""
    first = story.told("k-1", 1)
    story.entries.append(msgspec.structs.replace(first, sequence=77, by="repeat"))
    assert story.end() == ["doubled"]


def test_a_place_before_an_earlier_command_is_out_of_order(story: Story) -> None:
    """Whoever waits for each 202 has its own order."""
    story.change(story.told("k-1", 7), sequence=1)
    assert story.end() == ["out of order"]


def test_links_in_another_order_are_out_of_order(story: Story) -> None:
    """As many links, the same total, another digest."""
    story.send("k-5")
    story.send("k-5")
    amounts = [amount_of(Sent(t=0, owner=1, key="k-5", number=n, kind="link", way="batch"))
               for n in (1, 2)]  # fmt: skip
    swapped = Chain().linked(f"link {amounts[1]}", amounts[1])
    swapped = swapped.linked(f"link {amounts[0]}", amounts[0])
    story.chains["k-5"] = swapped
    story.change(story.told("k-5", 2), data=msgspec.Raw(story.data("k-5")))
    assert story.end() == ["out of order"]


def test_a_state_with_the_right_links_and_the_wrong_total_is_wrong(story: Story) -> None:
    """Whatever else a chain holds."""
    story.chains["k-1"] = replace(story.chains["k-1"], total=1)
    assert story.end() == ["wrong state"]


@pytest.mark.parametrize(
    ("key", "number", "status", "error"),
    [
        ("k-1", 1, "failed", "not-applicable"),  # a link always succeeds
        ("k-4", 1, "rejected", "taken"),  # for another reason
        ("k-1", 5, "rejected", "poor"),  # poison has to fail
    ],
)
def test_another_verdict_than_the_rules_give_is_wrong(
    story: Story, key: str, number: int, status: Status, error: str
) -> None:
    """Verdict by verdict."""
    told = story.told(key, number)
    story.change(told, status=status, error=error)
    assert story.end()[0] == "wrong verdict"


def test_a_name_with_two_holders_has_one_too_many(story: Story) -> None:
    """A race has one winner."""
    story.send("k-4", "take", name="n", status="succeeded")
    assert story.end() == ["claim"]


def test_a_name_that_nobody_has_was_refused_to_all(story: Story) -> None:
    """Somebody has to win."""
    story.send("k-4", "take", name="m", status="rejected")
    story.send("k-5", "take", name="m", status="rejected")
    assert story.end() == ["claim"]


def test_a_repeat_that_is_taken_for_another_command_is_found(story: Story) -> None:
    """The same owner and Idempotency-Key are the same command, however late."""
    story.entries.append(Repeated(t=9, key="k-1", number=1, id="another"))
    assert story.end() == ["repeat"]


def test_whoever_is_told_of_what_it_never_sent_is_a_stranger(story: Story) -> None:
    """An id that nobody was given, or another owner's."""
    other = story.told("k-1", 1)
    story.entries.append(msgspec.structs.replace(other, owner=0))
    story.entries.append(msgspec.structs.replace(other, id="nobody's"))
    assert story.end() == ["stranger", "stranger"]


def test_a_chain_that_nobody_made_is_a_stranger(story: Story) -> None:
    """A row of the read model without a command."""
    story.chains["k-9"] = Chain(1, 1, "x", "")
    assert story.end() == ["stranger"]


def test_a_read_that_does_not_see_what_was_told_is_stale(story: Story) -> None:
    """Told means readable."""
    story.entries.append(Read(t=9, key="k-1", told_count=2, seen_count=1))
    assert story.end() == ["stale read"]


def test_an_answer_that_the_interface_does_not_know_is_found(story: Story) -> None:
    """A 4xx to a right command."""
    story.entries.append(Refused(t=9, key="k-1", number=1, answer="422: no"))
    assert story.end() == ["refused"]


def test_a_history_is_read_as_it_was_written(story: Story, tmp_path: Path) -> None:
    """One JSON object a line; the file is what is judged, later as well."""
    log = Log(tmp_path / "history.jsonl")
    for entry in story.entries:
        log.write(entry)
    log.close()
    assert list(history.read(tmp_path / "history.jsonl")) == story.entries
