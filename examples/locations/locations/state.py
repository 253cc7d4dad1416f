"""What is known of a location; also the columns of its table."""

from datetime import datetime

import msgspec

from locations.types import Category


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place on the map, or one that was."""

    location_id: str
    name: str
    category: Category
    description: str
    registered_at: datetime
    closed_at: datetime | None = None
    """Since when it is off the map."""
