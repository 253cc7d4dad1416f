"""What one can ask of a location."""

from homing import Command
from locations.types import Category, Description, LocationId, Name


class RegisterLocation(Command, type="locations.register"):
    """Put a place on the map."""

    name: Name
    category: Category
    description: Description = ""


class RenameLocation(Command, type="locations.rename", key="location_id"):
    """Give a place another name."""

    location_id: LocationId
    name: Name


class MoveLocation(Command, type="locations.move", key="location_id"):
    """Put a place into another category."""

    location_id: LocationId
    category: Category


class CloseLocation(Command, type="locations.close", key="location_id"):
    """Take a place off the map, for good; its name is free again."""

    location_id: LocationId
