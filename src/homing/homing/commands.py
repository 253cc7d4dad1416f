"""Commands: what a client asks for, as a typed struct. Pure.

    class RenameLocation(Command, type="locations.rename", key="location_id"):
        '''Give a place another name.'''
        location_id: LocationId
        name: Name

`type` is the name on the wire, `<domain>.<command>`. `key` names the field that holds the key, the
aggregate that the command is about; without it the command creates, and its key is its own id.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, dataclass_transform

import msgspec

from homing.errors import DomainError

TYPE_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,62}\.[a-z][a-z0-9-]{0,62}")
# An escaped NUL that is not itself behind an escaped backslash; a raw NUL is no JSON at all.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class CommandMeta(msgspec.StructMeta):
    """Takes `type`, `key` and `version` beside msgspec's own class arguments."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        **arguments: Any,
    ) -> CommandMeta:
        declared = {word: arguments.pop(word, None) for word in ("type", "key", "version")}
        cls: Any = super().__new__(mcls, name, bases, namespace, **arguments)
        if bases and any(isinstance(parent, CommandMeta) for parent in bases):
            _declare(cls, name, declared)
        return cls  # type: ignore[no-any-return]  # a metaclass makes its own instances


def _declare(cls: Any, name: str, declared: dict[str, Any]) -> None:
    kind, key = declared["type"], declared["key"]
    if not isinstance(kind, str) or not TYPE_PATTERN.fullmatch(kind):
        raise DomainError(f'{name} needs type="<domain>.<command>" in lower case, got {kind!r}')
    if key is not None and key not in cls.__struct_fields__:
        raise DomainError(f"{name} has no field {key!r} to be its key")
    cls.command_type, cls.key_field = kind, key
    cls.schema_version = declared["version"] or 1


class Command(
    msgspec.Struct, metaclass=CommandMeta, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """The parent of every command. Unknown fields are refused, so that a typo is not lost."""

    command_type: ClassVar[str]
    key_field: ClassVar[str | None]
    schema_version: ClassVar[int]

    def key(self, command_id: str) -> str:
        """The key that this command is about; its own id if it creates."""
        return command_id if self.key_field is None else str(getattr(self, self.key_field))


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class EventMeta(msgspec.StructMeta):
    """Tells type checkers that events are frozen, as they inherit it."""


class Event(msgspec.Struct, metaclass=EventMeta, frozen=True):
    """The parent of every event: what happened, in the past tense."""


def has_nul(body: bytes) -> bool:
    """Whether JSON text holds U+0000, which Postgres refuses in text."""
    return _NUL.search(body) is not None
