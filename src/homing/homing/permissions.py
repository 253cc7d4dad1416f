"""What each process may do, in one place. Pure.

`homing migrate` grants it in Postgres. Nobody but the migrator owns anything; the API writes
nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Grants:
    """Privileges on Homing's tables by name, and on every table of every domain."""

    tables: Mapping[str, str]
    domains: str

    def statements(self, role: str, domains: Iterable[str]) -> Iterator[str]:
        """The SQL that grants exactly this to the quoted `role`, and takes all else away."""
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA homing FROM {role}"
        yield f"GRANT USAGE ON SCHEMA homing TO {role}"
        for table, privileges in self.tables.items():
            yield f"GRANT {privileges} ON homing.{table} TO {role}"
        for domain in domains:
            yield f'GRANT USAGE ON SCHEMA "{domain}" TO {role}'
            yield f'REVOKE ALL ON ALL TABLES IN SCHEMA "{domain}" FROM {role}'
            yield f'GRANT {self.domains} ON ALL TABLES IN SCHEMA "{domain}" TO {role}'


POSTGRES = {
    "api": Grants(
        tables={
            "outcomes": "SELECT",
            "partitions": "SELECT",
            "reactors": "SELECT",
            "stream": "SELECT",
            "schema_migrations": "SELECT",
        },
        domains="SELECT",
    ),
    "reactor": Grants(
        tables={
            "outcomes": "SELECT, INSERT",
            "events": "INSERT",
            "dead_letters": "SELECT, INSERT",
            # a value may pass from one key of a round to another
            "claims": "SELECT, INSERT, DELETE, UPDATE (key)",
            "partitions": "SELECT, UPDATE",
            "reactors": "SELECT, INSERT, UPDATE, DELETE",
            "stream": "SELECT",
            "schema_migrations": "SELECT",
        },
        domains="SELECT, INSERT, UPDATE, DELETE",
    ),
}
