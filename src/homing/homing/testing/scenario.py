"""Given, when, then: what a test of a domain is written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import EllipsisType
from typing import Any

import msgspec

from homing.actions import Action
from homing.commands import Command, Event
from homing.domain import Context, Domain
from homing.outcome import Outcome
from homing.testing.telling import plain, told
from homing.testing.world import SOMEBODY, Sender, Step, World


def given(domain: Domain, *past: msgspec.Struct | Sequence[Event]) -> Given:
    """What was there before: nothing, states of several keys, or what has happened.

    given(domain)                                              nothing yet
    given(domain, ulm, bern)                                   two states
    given(domain, Registered("k", "Ulm"), Renamed("Neu-Ulm"))  the events of one key
    given(domain, [Registered("a", "Ulm")], [Registered("b", "Bern")])  the events of two

    Raises what a process would raise at its start if the domain cannot work.
    """
    world = World(domain)
    if events := [one for one in past if isinstance(one, Event)]:
        world = world.with_history(events)
    for one in past:
        if isinstance(one, Sequence):
            world = world.with_history(one)
        elif not isinstance(one, Event):
            world = world.with_state(one)
    return Given(world)


class Given:
    """What is there. It is never changed: several tests may go on from the same."""

    def __init__(self, world: World) -> None:
        self._world = world

    def when(
        self,
        command: Command,
        *,
        command_id: str | None = None,
        owner: str = SOMEBODY,
        accepted_at: datetime | None = None,
    ) -> Result:
        """Send a command; the `Result` knows what became of it, and takes the next one.

        Unless the test says otherwise, ids are UUIDs that count, and the first command is accepted
        at 12:00:01 on 2026-01-01, each further one a second later. The key follows from the
        command, as always: for one that creates it is `command_id`.

        Raises `Refused` if the API would not accept the command at all.
        """
        __tracebackhide__ = True
        world, step = self._world.apply(command, Sender(command_id, owner, accepted_at))
        return Result(world, step)

    def state_of(self, key: str) -> Any:
        """The state of any key; None if it has none."""
        return self._world.states.get(key)


class Result(Given):
    """What became of a command. Every `then_…` returns it again, so that they can be chained.

    Whoever sends the next command without having said a word about this one says that it has
    succeeded; so what only prepares a test cannot go wrong unseen.
    """

    def __init__(self, world: World, step: Step) -> None:
        super().__init__(world)
        self._step = step
        self._spoken_of = False

    def when(
        self,
        command: Command,
        *,
        command_id: str | None = None,
        owner: str = SOMEBODY,
        accepted_at: datetime | None = None,
    ) -> Result:
        """Send the next command; its key may be another one."""
        __tracebackhide__ = True
        if not self._spoken_of:
            self.then_succeeded()
        return super().when(command, command_id=command_id, owner=owner, accepted_at=accepted_at)

    def then_succeeded(
        self,
        *,
        actions: Sequence[Action | Mapping[str, Any]] | EllipsisType = ...,
        data: Any = ...,
    ) -> Result:
        """It succeeded, with these actions and data, as structs or as a client reads them."""
        __tracebackhide__ = True
        self._status("succeeded")
        self._same("actions", self.actions, actions)
        self._same("data", self.data, data)
        return self

    def then_rejected(
        self,
        kind: str,
        *,
        detail: str | EllipsisType = ...,
        fields: Mapping[str, str] | EllipsisType = ...,
    ) -> Result:
        """A rule said no, for a reason of this type (`taken` is the framework's own)."""
        __tracebackhide__ = True
        self._status("rejected", kind)
        error = self.outcome.error
        self._same("detail", error and error.detail, detail)
        self._same("fields", error and error.fields, fields)
        return self

    def then_failed(self, kind: str = "domain-error", *, because: str = "") -> Result:
        """It could not be processed; `because` is part of the traceback or reason."""
        __tracebackhide__ = True
        self._status("failed", kind)
        if because not in (self._step.verdict.traceback or ""):
            self._fail(f"it failed, but not because of {because!r}")
        return self

    def then_events(self, *events: Event) -> Result:
        """These events happened, in this order; without arguments, nothing happened."""
        __tracebackhide__ = True
        self._same("events", self.events, events)
        return self

    def then_state(self, state: Any) -> Result:
        """This is the state of the command's key now; None if it has none."""
        __tracebackhide__ = True
        self._same("state", self.state, state)
        return self

    @property
    def outcome(self) -> Outcome:
        """The whole outcome, read back from JSON."""
        self._spoken_of = True
        return self._step.outcome

    @property
    def actions(self) -> Any:
        """The actions as a client reads them: a list of objects with a `type`."""
        return plain(self.outcome.actions)

    @property
    def data(self) -> Any:
        """The data as a client reads it."""
        return msgspec.json.decode(self.outcome.data)

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened."""
        return self._step.verdict.events

    @property
    def state(self) -> Any:
        """The state of the command's key now, as the next command will find it."""
        return self._step.after

    @property
    def context(self) -> Context:
        """What the domain knew of the command: its id, key, owner and time."""
        return self._step.context

    def _status(self, wanted: str, kind: str | None = None) -> None:
        __tracebackhide__ = True
        came, error = self.outcome.status, self.outcome.error
        if came != wanted or (kind is not None and (error is None or error.type != kind)):
            self._fail(f"expected {wanted}{f' as {kind!r}' if kind else ''}")

    def _same(self, what: str, came: Any, wanted: Any) -> None:
        __tracebackhide__ = True
        self._spoken_of = True
        on_the_wire = what in ("actions", "data")
        if wanted is not ... and came != (plain(wanted) if on_the_wire else wanted):
            self._fail(f"expected other {what}", wanted)

    def _fail(self, complaint: str, wanted: Any = ...) -> None:
        __tracebackhide__ = True
        raise AssertionError(told(self._step, complaint, wanted))
