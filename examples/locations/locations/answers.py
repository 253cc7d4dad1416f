"""What the client is told, and where it should go."""

from collections.abc import Sequence

from homing import Command, Event, Message, Redirect, Refresh, Response
from locations.commands import CloseLocation, MoveLocation, RegisterLocation, RenameLocation
from locations.state import Location


def respond(command: Command, events: Sequence[Event], state: Location) -> Response:
    """Whatever it names can be read by now."""
    if not events:
        return Response(actions=[_nothing(command, state)], data=state)
    match command:
        case RegisterLocation():
            said = f"{state.name} is on the map."
            then: Redirect | Refresh = Redirect(to=f"/locations/{state.location_id}")
        case CloseLocation():
            said, then = f"{state.name} is closed.", Redirect(to="/locations")
        case RenameLocation():
            said, then = f"It is called {state.name} now.", _detail(state)
        case _:
            said = f"{state.name} is in the category {state.category} now."
            then = _detail(state)
    return Response(actions=[then, Message(text=said, level="success")], data=state)


def _nothing(command: Command, state: Location) -> Message:
    match command:
        case MoveLocation():
            return Message(text=f"{state.name} is in the category {state.category} already.")
    return Message(text=f"It is called {state.name} already.")


def _detail(state: Location) -> Refresh:
    return Refresh(query=f"locations/{state.location_id}")
