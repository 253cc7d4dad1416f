"""What one can ask of a location."""

from homing import Command
from locations.types import Category, Description, Name


class RegisterLocation(Command, type="locations.register"):
    """Put a place on the map."""

    name: Name
    category: Category
    description: Description = ""
