"""The accounts inside Postgres, so that least privilege is real from the first day.

The migrator owns the database; the API and the reactors own nothing and get their rights from
`homing migrate`. Spoken through the wheel's `psql`: the driver lives in `homing.storage` alone.
"""

from __future__ import annotations

import asyncio
import os
import re
from urllib.parse import quote, urlsplit

from homing.local import wheels
from homing.local.trouble import LocalTrouble

SUPERUSER = "postgres"
DATABASE = "homing"
MIGRATOR = "homing_migrator"
API = "homing_api"
REACTOR = "homing_reactor"
ROLES = (MIGRATOR, API, REACTOR)
IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
PSQL_SECONDS = 30.0


class StatementFailed(LocalTrouble):
    """Postgres refused a statement:"""


def url(role: str, password: str, port: int, database: str) -> str:
    """A connection URL."""
    return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def role_sql(role: str, password: str) -> str:
    """Create the role if it is missing, and set its password, an SQL literal."""
    return (
        f"SELECT 'CREATE ROLE {checked(role)}' WHERE NOT EXISTS"
        f" (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n"
        f"ALTER ROLE {role} LOGIN PASSWORD {password};\n"
    )


def database_sql(database: str) -> str:
    """Create the database if it is missing: the migrator's, open to the three roles alone."""
    return (
        f"SELECT 'CREATE DATABASE {checked(database)} OWNER {MIGRATOR}' WHERE NOT EXISTS"
        f" (SELECT FROM pg_database WHERE datname = '{database}') \\gexec\n"
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n"
        f"GRANT CONNECT ON DATABASE {database} TO {API}, {REACTOR};\n"
    )


def checked(name: str) -> str:
    """`name`, if it may stand in a statement unquoted."""
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(f"not a plain lower-case identifier: {name!r}")
    return name


async def execute(target: str, sql: str) -> str:
    """Run statements at the URL `target`, return what they print. Raises `StatementFailed`."""
    parts = urlsplit(target)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "PGDATABASE": parts.path.lstrip("/"),
        "PGCONNECT_TIMEOUT": "10",
    }
    psql = await asyncio.create_subprocess_exec(
        wheels.postgres("psql"),
        *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    try:
        async with asyncio.timeout(PSQL_SECONDS):
            out, err = await psql.communicate(sql.encode())
    except BaseException:
        if psql.returncode is None:
            psql.kill()
            await psql.wait()
        raise
    if psql.returncode != 0:
        raise StatementFailed(err.decode(errors="replace").strip())
    return out.decode()
