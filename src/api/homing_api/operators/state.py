"""What operators are shown, and what of it has changed. Pure.

The first event of a stream is the whole, each later one what differs: whole sections, but of
partitions only those that changed, as there may be thousands. Every list replaces the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import asdict

from homing.identity import replayed_command_id
from homing.lag import Measured, PartitionLag
from homing.storage import Sight
from homing.storage.sight import COUNTED_MAX, LetterSeen, OutcomeSeen, PartitionSeen, ReactorSeen


class PartitionShown(PartitionSeen, frozen=True):
    """A partition, with what it has unapplied; null while that is not known."""

    gap: int | None = None
    oldest_seconds: float | None = None


class LetterShown(LetterSeen, frozen=True):
    """A dead letter, with what became of its last replay."""

    replay: str | None = None
    """pending, succeeded, rejected or failed; null if there is none."""


class LagShown(msgspec.Struct, frozen=True):
    """What is unapplied in all."""

    gap: int
    oldest_seconds: float
    partitions: int


class RatesShown(msgspec.Struct, frozen=True):
    """Commands per second, over the last seconds; null where it is not known yet."""

    accepted: float | None
    succeeded: float | None
    rejected: float | None
    failed: float | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that is shown."""

    at: datetime
    writable: bool
    """Whether there is a token with which something can be changed."""
    lease_seconds: float
    """Whose lease is older holds nothing any more."""
    reactors: tuple[ReactorSeen, ...]
    partitions: tuple[PartitionShown, ...]
    lag: LagShown | None
    """Null if it cannot be known."""
    lag_unknown: str | None
    """Why."""
    rates: RatesShown
    letters: tuple[LetterShown, ...]
    """The newest that are not discarded."""
    letters_open: int
    letters_more: bool
    """Whether there are more than were counted."""
    outcomes: tuple[OutcomeSeen, ...]
    """The newest."""


def partitions_of(
    sight: Sight, waiting: Mapping[int, PartitionLag] | None
) -> tuple[PartitionShown, ...]:
    """The partitions, with what each has unapplied; None if that is not known."""
    if waiting is None:
        return tuple(PartitionShown(**asdict(one)) for one in sight.partitions)
    nothing = PartitionLag(0, 0.0)
    return tuple(
        PartitionShown(**asdict(one), **waiting.get(one.partition, nothing)._asdict())
        for one in sight.partitions
    )


def last_replays(sight: Sight) -> dict[str, str]:
    """The command ids of the last replays, by the failed command's id."""
    return {
        one.command_id: replayed_command_id(one.command_id, one.replays)
        for one in sight.letters
        if one.command_id and one.replays
    }


def letters_of(sight: Sight) -> tuple[LetterShown, ...]:
    """The dead letters, with what became of their last replays, as far as that was asked for."""
    replays = last_replays(sight)
    return tuple(
        LetterShown(**asdict(one), replay=_became(sight, replays.get(one.command_id or "")))
        for one in sight.letters
    )


def _became(sight: Sight, replay: str | None) -> str | None:
    return None if replay is None else sight.known.get(replay, "pending")


def counted(sight: Sight) -> tuple[int, bool]:
    """How many open dead letters there are, and whether there are more than that."""
    return min(sight.letters_open, COUNTED_MAX), sight.letters_open > COUNTED_MAX


def lag_of(measured: Measured) -> LagShown:
    """The lag, as it is shown."""
    return LagShown(measured.gap, measured.oldest_seconds, measured.partitions)


def changes(before: State, after: State) -> dict[str, Any]:
    """What differs, by the names of `State`."""
    found = {
        name: getattr(after, name)
        for name in after.__struct_fields__
        if getattr(after, name) != getattr(before, name)
    }
    if "partitions" in found:
        known = set(before.partitions)
        found["partitions"] = [one for one in after.partitions if one not in known]
    return found
