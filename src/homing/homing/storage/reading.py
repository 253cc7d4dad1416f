"""The domains' queries: one row, or a page of a list by keyset."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from homing.domain import Domain
from homing.queries import Query, Statement, compile_sql, decode_cursor, first_page, next_page
from homing.storage.database import Database


@cache
def _statement(query: Query, kind: str) -> Statement:
    if kind == "one":
        return compile_sql(query.sql)
    return first_page(query) if kind == "first" else next_page(query)


class Reading:
    """Runs queries with the search path set to their domain's schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, domain: Domain, query: Query, values: Mapping[str, Any]) -> Any:
        """The row, as the query's struct; None if there is none."""
        rows = await self._fetch(domain, query, _statement(query, "one"), values)
        return rows[0] if rows else None

    async def page(
        self, domain: Domain, query: Query, values: Mapping[str, Any], limit: int, after: str | None
    ) -> tuple[list[Any], bool]:
        """At most `limit` rows, and whether there are more.

        Raises `ValueError` if `after` is no cursor of this list.
        """
        values = {**values, "page_limit": limit + 1}
        kind = "first"
        if after is not None:
            values.update(decode_cursor(query, after))
            kind = "next"
        rows = await self._fetch(domain, query, _statement(query, kind), values)
        return rows[:limit], len(rows) > limit

    async def _fetch(
        self, domain: Domain, query: Query, statement: Statement, values: Mapping[str, Any]
    ) -> list[Any]:
        # The comment keeps prepared statements of two schemas apart: the same text may mean other
        # columns there, and the driver would refuse the cached plan.
        sql = f"{statement.sql}\n/* {domain.name} */"
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(f'SET LOCAL search_path TO "{domain.name}"')
            records = await connection.fetch(sql, *statement.arguments(values))
        return [msgspec.convert(dict(record), query.row) for record in records]
