"""What can be read: the list, newest first and by category, and one place."""

import msgspec

from homing import Query
from locations.state import Location
from locations.types import Category


class ByCategory(msgspec.Struct, frozen=True):
    """What to list."""

    category: Category | None = None


class ById(msgspec.Struct, frozen=True):
    """Which place."""

    location_id: str


QUERIES = (
    Query(
        path="",
        summary="List places, newest first",
        parameters=ByCategory,
        sql="""
            SELECT location_id, name, category, description, registered_at
            FROM locations
            WHERE (:category::text IS NULL OR category = :category)
        """,
        row=Location,
        order=("-registered_at", "-location_id"),
    ),
    Query(
        path="/{location_id}",
        summary="Read one place",
        parameters=ById,
        sql="""
            SELECT location_id, name, category, description, registered_at
            FROM locations
            WHERE location_id = :location_id
        """,
        row=Location,
    ),
)
