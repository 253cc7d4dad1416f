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
