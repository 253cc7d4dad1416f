"""The registry: all domains of this installation, found by entry point and checked once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import entry_points

import msgspec

from homing.commands import Command
from homing.domain import Domain
from homing.errors import DomainError
from homing.frozen import check_frozen
from homing.queries import IDENTIFIER, check_query

GROUP = "homing.domains"
RESERVED = frozenset({"commands", "outcomes", "session", "docs", "openapi.json"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Registry:
    """Domains by name, command types by name."""

    def __init__(self, domains: Iterable[Domain]) -> None:
        """Raises `DomainError` for a domain that cannot work."""
        self.domains: dict[str, Domain] = {}
        self._commands: dict[str, tuple[Domain, msgspec.json.Decoder[Command]]] = {}
        for domain in domains:
            self._add(domain)

    def find(self, command_type: str) -> tuple[Domain, msgspec.json.Decoder[Command]] | None:
        """The domain of a command type, and the decoder of its payload."""
        return self._commands.get(command_type)

    @property
    def types(self) -> list[str]:
        """All command types."""
        return sorted(self._commands)

    def _add(self, domain: Domain) -> None:
        _check(domain)
        if domain.name in self.domains:
            raise DomainError(f"two domains are called {domain.name!r}")
        self.domains[domain.name] = domain
        for command in domain.commands:
            if command.command_type in self._commands:
                raise DomainError(f"two commands have the type {command.command_type!r}")
            self._commands[command.command_type] = domain, msgspec.json.Decoder(command)


def load() -> Registry:
    """The registry of everything that is installed."""
    found = []
    for point in entry_points(group=GROUP):
        domain = point.load()
        if not isinstance(domain, Domain) or domain.name != point.name:
            raise DomainError(f"the entry point {point.name!r} is no Domain of that name")
        found.append(domain)
    return Registry(found)


def _check(domain: Domain) -> None:
    name = domain.name
    if not _NAME.fullmatch(name) or name in RESERVED or name == "homing":
        raise DomainError(f"{name!r} cannot be a domain's name")
    for command in domain.commands:
        if command.command_type.split(".")[0] != name:
            raise DomainError(f"{command.command_type} does not begin with {name!r}")
    fields = {field.name for field in msgspec.structs.fields(domain.state)}
    if domain.table.key not in fields:
        raise DomainError(f"{name}: the state has no field {domain.table.key!r} to be its key")
    for identifier in (domain.table.name, *fields):
        if not IDENTIFIER.fullmatch(identifier):
            raise DomainError(f"{name}: {identifier!r} must be a plain lower-case name")
    check_frozen(name, domain.state)
    for query in domain.queries:
        check_query(name, query)
