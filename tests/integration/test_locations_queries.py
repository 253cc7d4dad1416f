"""What can be read of the sample domain, on a real Postgres, as the API's role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from homing.queries import compile_sql
from homing.registry import load
from homing.storage import Database
from homing.storage.reading import Reading
from support.applying import command, reactors, register
from support.place import Place

DOMAIN = load().domains["locations"]
LIST, DETAIL = DOMAIN.queries
EVERYTHING: dict[str, Any] = {"category": None, "name": None}


@pytest.fixture
async def reading(place: Place) -> AsyncIterator[Reading]:
    """Queries as the API runs them."""
    database = await Database.open(place.postgres_url("homing_api"), 1)
    yield Reading(database)
    await database.close()


async def names(reading: Reading, **values: Any) -> list[str]:
    """The places on the first page."""
    rows, _ = await reading.page(DOMAIN, LIST, EVERYTHING | values, 50, None)
    return [row.name for row in rows]


async def test_a_closed_place_leaves_the_list_and_its_page_says_so(
    place: Place, reading: Reading
) -> None:
    """What was renamed and moved is read as it is now."""
    ulm, bonn = register("Ulm"), register("Bonn")
    changes = [
        command("rename", ulm.key, name="Neu-Ulm"),
        command("move", ulm.key, category="City"),
        command("close", bonn.key),
    ]
    async with reactors(place, 1) as [reactor]:
        outcomes = await reactor.apply(ulm, bonn, *changes)
    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    assert await names(reading) == ["Neu-Ulm"]
    assert await names(reading, category="City") == ["Neu-Ulm"]
    assert await names(reading, category="Town") == []
    closed = await reading.one(DOMAIN, DETAIL, {"location_id": bonn.key})
    assert closed.closed_at == changes[2].accepted_at
    renamed = await reading.one(DOMAIN, DETAIL, {"location_id": ulm.key})
    assert (renamed.name, renamed.category, renamed.closed_at) == ("Neu-Ulm", "City", None)


async def test_a_list_by_the_beginning_of_the_name_takes_every_sign_as_itself(
    place: Place, reading: Reading
) -> None:
    """Whatever its case; %, _ and backslashes are no wildcards."""
    async with reactors(place, 1) as [reactor]:
        for name in ("Ulm", "ULMEN", "Bonn", "100%", "100 m", "a_b", "axb", "c\\d"):
            await reactor.apply(register(name))
    assert await names(reading, name="ulm") == ["ULMEN", "Ulm"]
    assert await names(reading, name="100%") == ["100%"]
    assert await names(reading, name="A_") == ["a_b"]
    assert await names(reading, name="c\\") == ["c\\d"]
    assert await names(reading, name="%") == []
    assert len(await names(reading, name="")) == 8


async def test_a_list_by_the_beginning_of_the_name_is_read_by_its_index(place: Place) -> None:
    """Among many places, without looking at each."""
    await place.rows(
        """INSERT INTO locations.locations
           SELECT n::text, md5(n::text), 'Town', '', now() FROM generate_series(1, 20000) n"""
    )
    await place.rows("ANALYZE locations.locations")
    connection = await asyncpg.connect(place.postgres_url("homing_api"))
    await connection.execute("SET search_path TO locations")
    statement = compile_sql(f"EXPLAIN {LIST.sql}")
    arguments = statement.arguments(EVERYTHING | {"name": "ab12"})
    plan = "\n".join(row[0] for row in await connection.fetch(statement.sql, *arguments))
    await connection.close()
    assert "locations_by_name" in plan, plan
