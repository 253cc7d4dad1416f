"""The states of keys, loaded and saved in bulk.

A state travels as JSON: Postgres makes rows of it by the table's own types, so that arrays, enums,
nested documents and times need no code here. Every statement names its schema: two domains with
the same text and other columns would otherwise share a prepared statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from homing.domain import Domain
from homing.storage.database import Connection


class _Statements:
    def __init__(self, domain: Domain) -> None:
        table, key = f'"{domain.name}"."{domain.table.name}"', f'"{domain.table.key}"'
        fields = [f'"{field.encode_name}"' for field in msgspec.structs.fields(domain.state)]
        columns = ", ".join(fields)
        changes = ", ".join(f"{name} = excluded.{name}" for name in fields if name != key)
        update = f"UPDATE SET {changes}" if changes else "NOTHING"
        self.load = (
            f"SELECT s.{key}, row_to_json(s)::text FROM (SELECT {columns} FROM {table}"
            f" WHERE {key} = ANY($1)) s"
        )
        self.save = (
            f"INSERT INTO {table} ({columns}) SELECT {columns}"
            f" FROM json_populate_recordset(NULL::{table}, $1::json) ORDER BY {key}"
            f" ON CONFLICT ({key}) DO {update}"
        )
        self.remove = f"DELETE FROM {table} WHERE {key} = ANY($1)"
        self.decoder = msgspec.json.Decoder(domain.state)


@cache
def _statements(domain: Domain) -> _Statements:
    return _Statements(domain)


async def load_states(
    connection: Connection, domain: Domain, keys: Sequence[str]
) -> dict[str, Any]:
    """The states of these keys."""
    statements = _statements(domain)
    rows = await connection.fetch(statements.load, list(keys))
    return {row[0]: statements.decoder.decode(row[1]) for row in rows}


async def save_states(
    connection: Connection, domain: Domain, states: Mapping[str, msgspec.Raw | None]
) -> None:
    """Save these states, each in JSON; None removes the row."""
    statements = _statements(domain)
    if kept := [state for state in states.values() if state is not None]:
        await connection.execute(statements.save, msgspec.json.encode(kept).decode())
    if gone := [key for key, state in states.items() if state is None]:
        await connection.execute(statements.remove, gone)
