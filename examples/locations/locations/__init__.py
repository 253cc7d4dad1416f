"""The sample domain: places on a map. `domain` is what the entry point offers."""

from importlib.resources import files

from homing import Domain, StateTable
from locations.answers import respond
from locations.commands import CloseLocation, MoveLocation, RegisterLocation, RenameLocation
from locations.events import LocationClosed, LocationMoved, LocationRegistered, LocationRenamed
from locations.queries import QUERIES
from locations.rules import claims, decide, evolve
from locations.state import Location

domain = Domain(
    name="locations",
    commands=(RegisterLocation, RenameLocation, MoveLocation, CloseLocation),
    events=(LocationRegistered, LocationRenamed, LocationMoved, LocationClosed),
    state=Location,
    table=StateTable(name="locations", key="location_id"),
    decide=decide,
    evolve=evolve,
    respond=respond,
    claims=claims,
    queries=QUERIES,
    migrations=files("locations") / "migrations",
)
