"""What happens to a location."""

from datetime import datetime

from homing import Event
from locations.types import Category


class LocationRegistered(Event):
    """A place was put on the map."""

    location_id: str
    name: str
    category: Category
    description: str
    registered_at: datetime


class LocationRenamed(Event):
    """A place got another name."""

    name: str


class LocationMoved(Event):
    """A place went to another category."""

    category: Category


class LocationClosed(Event):
    """A place was taken off the map."""

    closed_at: datetime
