"""The rules: what a command leads to, what an event changes, what must be unique."""

from msgspec.structs import replace

from homing import Command, Context, Event, Rejected
from locations.commands import CloseLocation, MoveLocation, RegisterLocation, RenameLocation
from locations.events import LocationClosed, LocationMoved, LocationRegistered, LocationRenamed
from locations.state import Location

EXISTS = Rejected("exists", "This location is registered already.", "Registered already")
UNKNOWN = Rejected("unknown-location", "There is no such location.", "Unknown location")
CLOSED = Rejected("closed", "This location is closed.", "Closed")


def decide(command: Command, state: Location | None, context: Context) -> list[Event] | Rejected:
    """What happens because of the command."""
    if isinstance(command, RegisterLocation):
        return _register(command, context) if state is None else EXISTS
    if state is None:
        return UNKNOWN
    if state.closed_at is not None:
        return CLOSED
    return _change(command, state, context)


def evolve(state: Location | None, event: Event) -> Location | None:
    """The state after the event."""
    if isinstance(event, LocationRegistered):
        return Location(
            location_id=event.location_id,
            name=event.name,
            category=event.category,
            description=event.description,
            registered_at=event.registered_at,
        )
    match state, event:
        case Location(), LocationRenamed(name=name):
            return replace(state, name=name)
        case Location(), LocationMoved(category=category):
            return replace(state, category=category)
        case Location(), LocationClosed(closed_at=closed_at):
            return replace(state, closed_at=closed_at)
    return state


def claims(state: Location) -> set[tuple[str, str]]:
    """No two places on the map have the same name, whatever its case."""
    return {("name", state.name.casefold())} if state.closed_at is None else set()


def _register(command: RegisterLocation, context: Context) -> list[Event]:
    return [
        LocationRegistered(
            context.key,
            command.name.strip(),
            command.category,
            command.description,
            context.accepted_at,
        )
    ]


def _change(command: Command, state: Location, context: Context) -> list[Event]:
    """What is so already is no reason to say no: nothing happens, and the command succeeds."""
    match command:
        case RenameLocation(name=name) if name.strip() != state.name:
            return [LocationRenamed(name.strip())]
        case MoveLocation(category=category) if category != state.category:
            return [LocationMoved(category)]
        case CloseLocation():
            return [LocationClosed(context.accepted_at)]
    return []
