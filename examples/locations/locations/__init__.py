"""The sample domain: places on a map. `domain` is what the entry point offers."""

from importlib.resources import files

from homing import Domain, StateTable
from locations.commands import RegisterLocation
from locations.events import LocationRegistered
from locations.queries import QUERIES
from locations.rules import decide, evolve, respond
from locations.state import Location

domain = Domain(
    name="locations",
    commands=(RegisterLocation,),
    events=(LocationRegistered,),
    state=Location,
    table=StateTable(name="locations", key="location_id"),
    decide=decide,
    evolve=evolve,
    respond=respond,
    queries=QUERIES,
    migrations=files("locations") / "migrations",
)
