"""A process is not ready before the rights of its role are there: they come after the tables."""

from __future__ import annotations

import pytest

from homing import registry
from homing.errors import NotMigrated
from homing.storage import Database, check_schema
from support.place import Place


@pytest.mark.parametrize(
    "statement",
    [
        "REVOKE USAGE ON SCHEMA homing FROM homing_api",
        "REVOKE ALL ON homing.schema_migrations FROM homing_api",
        "REVOKE ALL ON ALL TABLES IN SCHEMA locations FROM homing_api",
        "REVOKE USAGE ON SCHEMA locations FROM homing_api",
    ],
)
async def test_missing_rights_are_waited_for(place: Place, statement: str) -> None:
    """As a missing migration is: a new table exists for a moment before anybody may read it."""
    domains = {name: one.migrations for name, one in registry.load().domains.items()}
    owner = await Database.open(place.postgres_url("homing_migrator"), 1)
    api = await Database.open(place.postgres_url("homing_api"), 1)
    try:
        await check_schema(api, domains)
        await owner.execute(statement)
        with pytest.raises(NotMigrated):
            await check_schema(api, domains)
    finally:
        await api.close()
        await owner.close()
