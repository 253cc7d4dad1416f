"""What a run came to, as text: the table, the timeline, the violations. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from torture.books import Books
from torture.checking import KINDS, Violation
from torture.limits import judged
from torture.measuring import (
    Felt,
    Latency,
    Measured,
    Slope,
    from_accepted_to_told,
    from_sent_to_told,
    latency,
)

SHOWN = 12
GROUPS = {
    "crashes": ("kill",),
    "freezes and cuts": ("freeze", "cut-postgres", "cut-nats"),
    "graceful leaves": ("leave",),
    "joins": ("join",),
}


def report(books: Books, measured: Measured, violations: Sequence[Violation]) -> str:
    """The whole report."""
    table = _table(books, measured, violations)
    parts = [_timeline(measured.faults), table, _broken(violations)]
    return "\n\n".join(part for part in parts if part)


def _timeline(faults: Sequence[Felt]) -> str:
    if not faults:
        return ""
    head = f"{'at':>8} {'until':>8}  {'fault':<15} {'whom':<11} {'in flight':>9} {'stall':>7}"
    lines = [head]
    for one in faults:
        fault = one.fault
        notes = [fault.note, "overlapping" if one.overlapping else ""]
        notes.append("" if one.own == one.stall else f"{one.own:.2f} s without poison")
        notes.append("" if one.in_flight else "not counted: nothing was in flight")
        said = ", ".join(note for note in notes if note)
        lines.append(
            f"{fault.t:8.1f} {fault.until:8.1f}  {fault.kind:<15} {fault.whom:<11}"
            f" {one.in_flight:>9} {one.stall:6.2f}s  {said}".rstrip()
        )
    return "\n".join(lines)


def _table(books: Books, measured: Measured, violations: Sequence[Violation]) -> str:
    rows = [
        *_commands(books), *_verdicts(violations), *_times(books), *_stalled(measured.faults),
        *_memory(measured.slopes), ("judged by their time", judged(measured)),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _commands(books: Books) -> Iterator[tuple[str, str]]:
    commands = books.commands.values()
    accepted = [one for one in commands if one.accepted is not None]
    seconds = (books.phase("sent") or 0.0) - (books.phase("send") or 0.0)
    rate = f" ({len(accepted) / seconds:.0f}/s over {seconds:.0f} s)" if seconds > 0 else ""
    yield "accepted", f"{len(accepted):,}{rate} on {len(books.by_key()):,} keys"
    statuses = Counter(one.told[0].status for one in accepted if one.told)
    for status in ("succeeded", "rejected", "failed"):
        kinds = Counter(
            one.sent.kind for one in accepted if one.told and one.told[0].status == status
        )
        of = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
        yield f"  {status}", f"{statuses[status]:,}" + (f" ({of})" if of else "")
    first = Counter(min(one.told, key=lambda told: told.t).by for one in accepted if one.told)
    yield "first told by", ", ".join(f"{by} {count:,}" for by, count in first.most_common())
    asked = sum(one.told_at is None and bool(one.told) for one in accepted)
    yield "  only on asking", f"{asked:,}"
    races = {one.sent.name for one in accepted if one.sent.name}
    yield "names raced for", f"{len(races):,}"
    stored = next((one.note for one in books.phases if one.name == "end"), "")
    repeats = Counter(repeat.by for one in accepted for repeat in one.repeats)
    by = " and ".join(f"{repeats[by]:,} by the {by}" for by in ("client", "publisher"))
    yield "repeats", f"{by}, after the duplicate window; {stored}"
    tries = sum(one.accepted.tries > 1 for one in accepted if one.accepted)
    yield "sent more than once", f"{tries:,} (until they were answered)"
    yield "stream resets", f"{len(books.resets):,}"


def _verdicts(violations: Sequence[Violation]) -> Iterator[tuple[str, str]]:
    counts = Counter(violation.kind for violation in violations)
    for kind, meaning in KINDS.items():
        if counts[kind] or kind in ("lost", "doubled", "out of order", "unanswered"):
            yield kind, f"{counts[kind]:,}" + (f"  {meaning}" if counts[kind] else "")


def _times(books: Books) -> Iterator[tuple[str, str]]:
    yield "202 to told", _said(latency(from_accepted_to_told(books)))
    yield "waited for, sent to told", _said(latency(from_sent_to_told(books)))
    late = max((one.seconds for one in books.lags), default=0.0)
    used = next((f", and used {one.note}" for one in books.phases if one.name == "settle"), "")
    yield "the clients", f"were late by {late:.2f} s at most{used}"


def _said(times: Latency) -> str:
    return (
        f"p50 {times.p50 * 1000:.0f} ms, p99 {times.p99 * 1000:.0f} ms,"
        f" max {times.longest:.2f} s of {times.number:,}"
    )


def _stalled(faults: Sequence[Felt]) -> Iterator[tuple[str, str]]:
    """Stalls by kind: all, and of those that stand alone median and worst, twice."""
    counted = [one for one in faults if one.in_flight]
    overlapping = sum(one.overlapping for one in counted)
    yield (
        "faults",
        (
            f"{len(counted)} counted, {overlapping} of them overlapping;"
            f" {len(faults) - len(counted)} with nothing in flight"
        ),
    )
    for kind in dict.fromkeys(one.fault.kind for one in counted):
        mine = [one for one in counted if one.fault.kind == kind]
        yield f"  {kind}", f"{len(mine)}, longest stall {max(one.stall for one in mine):.2f} s"
    for name, kinds in GROUPS.items():
        alone = [one for one in counted if one.fault.kind in kinds and not one.overlapping]
        if alone:
            said = _stood([one.stall for one in alone])
            own = _stood([one.own for one in alone])
            yield f"stall of {name}", f"{said} of {len(alone)} that stand alone"
            yield "  without poison", own


def _stood(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s"


def _memory(slopes: Sequence[Slope]) -> Iterator[tuple[str, str]]:
    for slope in slopes:
        yield (
            f"memory of {slope.process}",
            (
                f"{slope.first:.0f} to {slope.last:.0f} MiB, {slope.mib_a_minute:+.2f} MiB/min"
                f" over {slope.minutes:.1f} min after minute 2"
            ),
        )


def _broken(violations: Sequence[Violation]) -> str:
    lines = []
    for violation in violations[:SHOWN]:
        at = "" if violation.at is None else f" at {violation.at:.1f} s"
        lines.append(f"VIOLATION{at}: {violation.kind}: {violation.what}")
    if len(violations) > SHOWN:
        lines.append(f"… and {len(violations) - SHOWN:,} more, in violations.txt")
    return "\n".join(lines)
