"""Whether a state can be changed in place. Pure.

A command that fails must leave its key's state as it was, without a copy of it: so nothing in a
state may be mutable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from homing.errors import DomainError

_MUTABLE = (
    inspect.AnyType,
    inspect.ByteArrayType,
    inspect.CustomType,
    inspect.DataclassType,
    inspect.DictType,
    inspect.ListType,
    inspect.SetType,
    inspect.TypedDictType,
)


def check_frozen(domain: str, state: type[msgspec.Struct]) -> None:
    """Refuse a state with a mutable part. Raises `DomainError`."""
    seen: set[Any] = set()
    waiting: list[Any] = [inspect.type_info(state)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            if not info.cls.__struct_config__.frozen:
                raise DomainError(f"{domain}: {info.cls.__name__} in the state is not frozen")
        if isinstance(info, _MUTABLE):
            raise DomainError(
                f"{domain}: the state holds a {type(info).__name__}; "
                "use tuple, frozenset or frozen structs"
            )
        waiting.extend(_parts(info))


def _parts(info: Any) -> Iterator[Any]:
    match info:
        case inspect.Metadata():
            yield info.type
        case inspect.StructType():
            yield from (field.type for field in info.fields)
        case inspect.UnionType():
            yield from info.types
        case inspect.TupleType():
            yield from info.item_types
        case inspect.VarTupleType() | inspect.FrozenSetType():
            yield info.item_type
