"""The judgement: whether a history keeps every promise that was made in it. Pure.

Each violation is counted once: after a difference the expectation goes on from what was told, so
that one lost effect does not condemn all that came behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from torture.books import Books, Command
from torture.history import ENDED, Told
from torture.model import Chain, amount_of, chain_of, expect

KINDS = {
    "lost": "accepted, and without an outcome or an effect",
    "doubled": "took effect more than once, or has two outcomes",
    "out of order": "took effect before an earlier command of its key",
    "unanswered": "neither told nor told on asking, or never accepted",
    "untold": "has an outcome, which a stream that waited for it never told",
    "wrong verdict": "another verdict than the rules give",
    "wrong state": "another state than a replay gives",
    "claim": "a name that has not exactly one holder",
    "repeat": "a repeat was answered differently",
    "stranger": "told of what one never sent",
    "stale read": "the read model did not have what was told",
    "refused": "an answer that the interface does not know",
    "ended": "a process that ended by itself",
    "late": "told more than 2 s after its 202, with no fault near",
    "stalled": "a partition stood still for longer than promised",
    "growing": "a process that takes more and more memory",
}


class Violation(NamedTuple):
    """A promise that was broken."""

    kind: str
    what: str
    at: float | None = None


def check(books: Books) -> list[Violation]:
    """Everything that is wrong."""
    return [
        *_answers(books), *_replays(books), *_claims(books), *_outcomes(books), *_repeats(books),
        *_strangers(books), *_reads(books), *_refusals(books), *_ended(books),
    ]  # fmt: skip


def _answers(books: Books) -> Iterator[Violation]:
    """Whoever was promised an outcome has one, and was told in the way in which it waited."""
    reset = {one.owner: one.t for one in books.resets}
    for command in books.commands.values():
        sent = command.sent
        if command.accepted is None:
            yield _violation("unanswered", command, "was never accepted")
        elif not command.told:
            said = ", ".join(one.answer for one in command.asked)
            if not command.asked:
                yield _violation("unanswered", command, "was not told, and nobody answered")
            else:
                yield _violation("lost", command, f"has no outcome; its status is {said}")
        else:
            by = {one.by for one in command.told}
            # What was accepted before a reset may have been told before it, to nobody.
            excused = command.accepted.t <= reset.get(sent.owner, float("-inf"))
            if "stream" not in by and not excused:
                yield _violation("untold", command, "was never told on the stream of its owner")
            if sent.way == "events" and not by & {"events", "answer"}:
                yield _violation("untold", command, "was never told on its own stream")


def _replays(books: Books) -> Iterator[Violation]:
    finals = {row["chain_id"]: row for row in (msgspec.json.decode(f.row) for f in books.finals)}
    read = books.phase("read") is not None
    for key, commands in books.by_key().items():
        chain, last = Chain(), 0
        for command in commands:
            told = command.told[0] if command.told else None
            if told is None:
                continue
            if told.sequence <= last:
                yield _violation("out of order", command, f"at {told.sequence}, behind {last}")
            last = max(last, told.sequence)
            found, chain = _step(chain, command, told)
            yield from found
        if read:
            row = finals.pop(key, None)
            seen = chain_of(row) if row else Chain()
            if seen != chain:
                yield Violation(_difference(seen, chain), f"{key} ends as {seen}, not as {chain}")
    for key in finals:
        yield Violation("stranger", f"{key} is in the read model and was never sent anything")


def _step(chain: Chain, command: Command, told: Told) -> tuple[list[Violation], Chain]:
    """One command of a replay: what is wrong with it, and the chain to go on from."""
    expected = expect(chain, command.sent, amount_of(command.sent))
    found: list[Violation] = []
    if told.status not in expected.statuses or (told.status == "rejected" and not _fair(command)):
        wanted = " or ".join(expected.statuses)
        what = f"{told.status} {told.error}, and not {wanted}"
        found.append(_violation("wrong verdict", command, what))
    if told.status != "succeeded":
        return found, chain
    after = chain_of(msgspec.json.decode(told.data))
    if after != expected.succeeded:
        kind = _difference(after, expected.succeeded)
        what = f"made {after} of {chain}, not {expected.succeeded}"
        found.append(_violation(kind, command, what))
    return found, after


def _fair(command: Command) -> bool:
    wanted = {"spend": "poor", "take": "taken"}.get(command.sent.kind)
    return all(one.error == wanted for one in command.told)


def _difference(seen: Chain, expected: Chain) -> str:
    if seen.count != expected.count:
        return "doubled" if seen.count > expected.count else "lost"
    return "out of order" if seen.digest != expected.digest else "wrong state"


def _claims(books: Books) -> Iterator[Violation]:
    """A name is taken for good: one key has it, whose takes all succeed, and no other's does."""
    takers: dict[str, list[Command]] = defaultdict(list)
    for command in books.commands.values():
        if command.sent.kind == "take" and command.told:
            takers[command.sent.name].append(command)
    for name, commands in takers.items():
        winners = {one.sent.key for one in commands if one.told[0].status == "succeeded"}
        if len(winners) != 1:
            keys = ", ".join(sorted(one.sent.key for one in commands))
            yield Violation("claim", f"{name} has {len(winners)} holders among {keys}")
        elif any(
            (one.sent.key in winners) != (one.told[0].status == "succeeded") for one in commands
        ):
            yield Violation("claim", f"{name} was refused to its holder")


def _outcomes(books: Books) -> Iterator[Violation]:
    """However often and in whatever way an outcome is told, it is the same one."""
    for command in books.commands.values():
        said = {_verdict(one) for one in command.told}
        if len(said) > 1:
            yield _violation("doubled", command, f"was told {len(said)} different outcomes")


def _verdict(told: Told) -> tuple[Any, ...]:
    return told.status, told.error, bytes(told.data), told.sequence


def _repeats(books: Books) -> Iterator[Violation]:
    for command in books.commands.values():
        for repeat in command.repeats:
            if command.accepted is not None and repeat.id != command.accepted.id:
                yield _violation("repeat", command, f"was answered with {repeat.id}")


def _strangers(books: Books) -> Iterator[Violation]:
    for told in books.strangers:
        yield Violation(
            "stranger", f"owner {told.owner} was told of {told.id} ({told.key})", told.t
        )


def _reads(books: Books) -> Iterator[Violation]:
    for read in books.reads:
        if read.seen_count < read.told_count:
            what = f"{read.key} was told {read.told_count} links and read {read.seen_count}"
            yield Violation("stale read", what, read.t)


def _refusals(books: Books) -> Iterator[Violation]:
    for one in books.refused:
        yield Violation("refused", f"{one.key}/{one.number}: {one.answer}", one.t)


def _ended(books: Books) -> Iterator[Violation]:
    for fault in books.faults:
        if fault.kind == ENDED:
            yield Violation("ended", f"{fault.whom}, {fault.note}", fault.t)


def _violation(kind: str, command: Command, what: str) -> Violation:
    sent = command.sent
    name = f"{sent.key}/{sent.number} ({sent.kind}, {sent.way})"
    return Violation(kind, f"{name} {what}", sent.t)
