"""The rules: what a command leads to, what an event changes, what the client is told."""

from collections.abc import Sequence

from homing import Command, Context, Event, Message, Redirect, Rejected, Response
from locations.commands import RegisterLocation
from locations.events import LocationRegistered
from locations.state import Location


def decide(command: Command, state: Location | None, context: Context) -> list[Event] | Rejected:
    """What happens because of the command."""
    match command, state:
        case RegisterLocation(), None:
            return [
                LocationRegistered(
                    context.key,
                    command.name.strip(),
                    command.category,
                    command.description,
                    context.accepted_at,
                )
            ]
    return Rejected("exists", "This location is registered already.")


def evolve(state: Location | None, event: Event) -> Location | None:
    """The state after the event."""
    match event:
        case LocationRegistered():
            return Location(
                location_id=event.location_id,
                name=event.name,
                category=event.category,
                description=event.description,
                registered_at=event.registered_at,
            )
    return state


def respond(_command: Command, _events: Sequence[Event], state: Location) -> Response:
    """Go to the place's page, which is there by now."""
    return Response(
        actions=[
            Redirect(to=f"/locations/{state.location_id}"),
            Message(text=f"{state.name} is on the map.", level="success"),
        ],
        data=state,
    )
