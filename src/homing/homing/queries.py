"""Queries: what `GET /api/<domain>/…` reads. Pure: SQL text and cursors, no database.

An author writes one SELECT with `:named` parameters. A list is paged by keyset: the framework puts
the position, the order and the limit around the author's statement.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from homing.errors import DomainError
from homing.identity import token

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
# Quoted text, quoted names, comments and casts are passed over; what is left may be a parameter.
_PARAMETER = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|::)|:([a-z_][a-z0-9_]*)""", re.DOTALL
)
_PATH = re.compile(r"(?:/(?:[a-z0-9-]+|\{[a-z_][a-z0-9_]*\}))*")


class NoParameters(msgspec.Struct, frozen=True):
    """A query without parameters."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """One read: a path below the domain's, typed parameters, a SELECT, the type of its rows.

    With `order` it is a list, newest first for `("-registered_at", "-location_id")`: the columns
    must identify a row together and all point the same way. Without it, it reads one row or 404.
    """

    path: str
    summary: str
    sql: str
    row: type[msgspec.Struct]
    parameters: type[msgspec.Struct] = NoParameters
    order: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The keyset's columns."""
        return tuple(column.removeprefix("-") for column in self.order)

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """The parameters that stand in the path."""
        return tuple(re.findall(r"\{([a-z0-9_]+)\}", self.path))


class Statement(msgspec.Struct, frozen=True):
    """SQL as Postgres takes it, with the names of its positional parameters."""

    sql: str
    names: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the statement's order."""
        return [values[name] for name in self.names]


def compile_sql(sql: str) -> Statement:
    """Turn `:name` into `$1`; a name that stands twice is one parameter."""
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        if match[2] not in names:
            names.append(match[2])
        return f"${names.index(match[2]) + 1}"

    return Statement(_PARAMETER.sub(replace, sql.strip().rstrip(";")), tuple(names))


def first_page(query: Query) -> Statement:
    """A list from its start."""
    return _page(query, "")


def next_page(query: Query) -> Statement:
    """A list from behind the row that a cursor names."""
    sign = "<" if query.order[0].startswith("-") else ">"
    marks = ", ".join(f":after_{column}" for column in query.columns)
    return _page(query, f"WHERE ({', '.join(query.columns)}) {sign} ({marks}) ")


def _page(query: Query, where: str) -> Statement:
    way = "DESC" if query.order[0].startswith("-") else "ASC"
    order = ", ".join(f"{column} {way}" for column in query.columns)
    inner = query.sql.strip().rstrip(";")
    return compile_sql(
        f"SELECT * FROM (\n{inner}\n) AS page {where}ORDER BY {order} LIMIT :page_limit"
    )


def encode_cursor(query: Query, row: msgspec.Struct) -> str:
    """Name a row, opaquely, so that a list can go on behind it."""
    return token(msgspec.json.encode([getattr(row, column) for column in query.columns]))


def decode_cursor(query: Query, cursor: str) -> dict[str, Any]:
    """The values that a cursor names. Raises `ValueError` if it is none of this query's."""
    hints = {field.name: field.type for field in msgspec.structs.fields(query.row)}
    kind: Any = tuple[tuple(hints[column] for column in query.columns)]  # type: ignore[misc]  # built at run time
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        values = msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError) as error:
        raise ValueError("the cursor is not one of this list") from error
    return {f"after_{column}": value for column, value in zip(query.columns, values, strict=True)}


def check_query(domain: str, query: Query) -> None:
    """Refuse a query that cannot work. Raises `DomainError`."""
    where = f"{domain}: query {query.path or '/'}"
    if not _PATH.fullmatch(query.path):
        raise DomainError(f"{where}: a path is segments and {{parameters}}, each behind a slash")
    known = {field.name for field in msgspec.structs.fields(query.parameters)}
    used = set(compile_sql(query.sql).names)
    if missing := (used | set(query.path_parameters)) - known:
        raise DomainError(f"{where}: {', '.join(sorted(missing))} is not among its parameters")
    columns = {field.name for field in msgspec.structs.fields(query.row)}
    if lost := set(query.columns) - columns:
        raise DomainError(f"{where}: {', '.join(sorted(lost))} is not a field of its rows")
    if len({column.startswith("-") for column in query.order}) > 1:
        raise DomainError(f"{where}: all columns of the order must point the same way")
    if any(not IDENTIFIER.fullmatch(column) for column in query.columns):
        raise DomainError(f"{where}: the columns of the order must be plain lower-case names")
