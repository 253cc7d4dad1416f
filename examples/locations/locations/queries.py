"""What can be read: the places on the map, newest first, and one place, closed or not."""

from typing import Annotated

import msgspec
from msgspec import Meta

from homing import Query
from locations.state import Location
from locations.types import Category

COLUMNS = "location_id, name, category, description, registered_at, closed_at"


class Filter(msgspec.Struct, frozen=True):
    """What to list."""

    category: Category | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    """How the name begins, whatever its case."""


class ById(msgspec.Struct, frozen=True):
    """Which place."""

    location_id: str


QUERIES = (
    Query(
        path="",
        summary="List the places on the map, newest first, by category and beginning of the name",
        parameters=Filter,
        # What stands for itself in a name must not be a wildcard of LIKE.
        sql=rf"""
            SELECT {COLUMNS}
            FROM locations
            WHERE closed_at IS NULL
              AND (:category::text IS NULL OR category = :category)
              AND (:name::text IS NULL
                   OR lower(name) LIKE regexp_replace(lower(:name), '([\\%_])', '\\\1', 'g') || '%')
        """,
        row=Location,
        order=("-registered_at", "-location_id"),
    ),
    Query(
        path="/{location_id}",
        summary="Read one place, closed or not",
        parameters=ById,
        sql=f"SELECT {COLUMNS} FROM locations WHERE location_id = :location_id",
        row=Location,
    ),
)
