"""Migrations and grants: Homing's own tables, then each domain's, in numbered `.sql` files.

A file is applied once, in a transaction of its own, under an advisory lock, with `search_path` set
to the schema, so that it names its tables without one. Migrations are expand-contract: old
processes survive a newer schema, new ones are not ready before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from homing.errors import NotMigrated, SchemaMismatch
from homing.log import get
from homing.permissions import POSTGRES
from homing.storage.database import Connection, Database

log = get(__name__)
HOMING = "homing"
LOCK = 0x484F4D49  # "HOMI"
# The last is what a role is told that has no rights yet: they are granted after the migrations.
NOTHING_THERE = ("42P01", "3F000", "42501")
_WITHOUT_RIGHTS = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY($1::text[])
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
LIMIT 1
"""
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LEDGER = """
CREATE SCHEMA IF NOT EXISTS homing;
CREATE TABLE IF NOT EXISTS homing.schema_migrations (
    schema text NOT NULL,
    version integer NOT NULL,
    title text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema, version)
);
"""


class Migration(NamedTuple):
    """One file."""

    version: int
    title: str
    sql: str

    @property
    def checksum(self) -> str:
        """What an applied file must still have."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate_schema(
    database: Database, domains: Mapping[str, Traversable], roles: Mapping[str, str]
) -> int:
    """Apply what is new and grant what is needed; how many files were applied.

    `roles` maps `api` and `reactor` to the Postgres roles that they log in as. Raises
    `SchemaMismatch` if a file that was applied has changed, or a role is missing.
    """
    applied = 0
    async with database.connection() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=120)
        try:
            await connection.execute(_LEDGER)
            for schema, folder in all_schemas(domains):
                applied += await _migrate(connection, schema, folder)
            await _grant(connection, domains, roles)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    return applied


async def check_schema(database: Database, domains: Mapping[str, Traversable]) -> None:
    """Raises `NotMigrated` unless every migration of this version was applied, and rights granted.

    Each role's grants are one transaction, so that one right of a table stands for all.
    """
    try:
        rows = await database.fetch("SELECT schema, version FROM homing.schema_migrations")
    except Exception as error:
        if getattr(error, "sqlstate", "") in NOTHING_THERE:
            raise NotMigrated(f"the database is empty, or nothing is granted: {error}") from error
        raise
    known = {(row[0], row[1]) for row in rows}
    for schema, folder in all_schemas(domains):
        for migration in read_migrations(folder):
            if (schema, migration.version) not in known:
                raise NotMigrated(f"{schema}/{migration.version:04}_{migration.title} is missing")
    for row in await database.fetch(_WITHOUT_RIGHTS, sorted(domains)):
        raise NotMigrated(f"this role may not read {row[0]} yet")


def all_schemas(domains: Mapping[str, Traversable]) -> Iterable[tuple[str, Traversable]]:
    """Homing's own first, then the domains' by name."""
    yield HOMING, files("homing.storage") / "migrations"
    yield from sorted(domains.items())


def read_migrations(folder: Traversable) -> list[Migration]:
    """The files of a folder in order. Raises `SchemaMismatch` for a number that stands twice."""
    found = sorted(
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _FILE.fullmatch(file.name))
    )
    if len({migration.version for migration in found}) < len(found):
        raise SchemaMismatch(f"{folder}: two migrations have the same number")
    return found


async def _migrate(connection: Connection, schema: str, folder: Traversable) -> int:
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    rows = await connection.fetch(
        "SELECT version, checksum FROM homing.schema_migrations WHERE schema = $1", schema
    )
    done: dict[int, str] = {row[0]: row[1] for row in rows}
    applied = 0
    for migration in read_migrations(folder):
        if (known := done.get(migration.version)) is None:
            await _apply(connection, schema, migration)
            applied += 1
        elif known != migration.checksum:
            raise SchemaMismatch(
                f"{schema}/{migration.version:04}_{migration.title} was changed after it was "
                "applied; write a new migration instead"
            )
    return applied


async def _apply(connection: Connection, schema: str, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(f'SET LOCAL search_path TO "{schema}"')
        await connection.execute(migration.sql, timeout=600)
        await connection.execute(
            "INSERT INTO homing.schema_migrations (schema, version, title, checksum)"
            " VALUES ($1, $2, $3, $4)",
            schema,
            migration.version,
            migration.title,
            migration.checksum,
        )
    log.info("migrate.applied", schema=schema, version=migration.version, title=migration.title)


async def _grant(
    connection: Connection, domains: Mapping[str, Any], roles: Mapping[str, str]
) -> None:
    for process, role in roles.items():
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            raise SchemaMismatch(
                f'the role "{role}" does not exist; CREATE ROLE "{role}" LOGIN PASSWORD …, '
                f"or name another by HOMING_{process.upper()}_ROLE"
            )
        name = '"' + role.replace('"', '""') + '"'
        # Together, or a running process would lose its rights for a moment.
        async with connection.transaction():
            for statement in POSTGRES[process].statements(name, domains):
                await connection.execute(statement)
