"""`GET /api/{domain}/…`: the domains' queries, with typed parameters and keyset pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from homing.domain import Domain
from homing.errors import StorageUnavailable
from homing.queries import Query, encode_cursor
from homing.storage import Reading, StatementFailed
from homing_api.problems import FieldError, Problem, invalid, unavailable
from homing_api.receiving import field_error

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
CURSOR_MAX = 2000


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters that every list has."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    after: Annotated[str, Meta(max_length=CURSOR_MAX)] | None = None


_BARE_LIST = Query(path="", summary="", sql="", row=Paging, order=("limit",))


class Page(msgspec.Struct, frozen=True):
    """A page of a list."""

    items: Sequence[Any]
    next: str | None
    """The path of the next page; null if this is the last."""


class Asked(NamedTuple):
    """What a request asks of a query: paging, the query's own parameters typed, all as text."""

    paging: Paging
    values: dict[str, Any]
    given: dict[str, str]


class Queries:
    """Answers the domains' queries."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def answer(
        self, domain: Domain, query: Query, path: str, said: Sequence[tuple[str, str]]
    ) -> Any:
        """The row, or a page.

        `said` are the parameters of path and query string, `path` is for the link to the next page.
        Raises a `Problem`: 404, 422 or 503.
        """
        asked = read_parameters(query, said)
        try:
            if not query.order:
                row = await self._reading.one(domain, query, asked.values)
                if row is None:
                    raise Problem(404, "not-found", f"There is nothing at {path}.")
                return row
            return await self._page(domain, query, path, asked)
        except StorageUnavailable as error:
            raise unavailable("The read model does not answer at the moment.") from error
        except StatementFailed as error:
            if error.sqlstate.startswith("22"):  # a value that no column can be compared with
                raise Problem(422, "invalid", "A parameter cannot be compared.") from error
            raise

    async def _page(self, domain: Domain, query: Query, path: str, asked: Asked) -> Page:
        limit, after = asked.paging.limit, asked.paging.after
        try:
            rows, more = await self._reading.page(domain, query, asked.values, limit, after)
        except ValueError as error:
            raise invalid((FieldError("after", str(error)),)) from error
        if not more:
            return Page(rows, None)
        kept = {k: v for k, v in asked.given.items() if k not in query.path_parameters}
        kept |= {"limit": str(limit), "after": encode_cursor(query, rows[-1])}
        return Page(rows, f"{path}?{urlencode(kept)}")


def read_parameters(query: Query, said: Sequence[tuple[str, str]]) -> Asked:
    """Read the parameters of a request. Raises a 422 that names the bad one."""
    given: dict[str, str] = {}
    for name, value in said:
        if name in given:
            raise invalid((FieldError(name, "Stands twice"),))
        if "\0" in value:
            raise invalid((FieldError(name, "Holds U+0000"),))
        given[name] = value
    own = {field.name for field in msgspec.structs.fields(query.parameters)}
    pages = {"limit", "after"} if query.order else set()
    if unknown := sorted(given.keys() - own - pages):
        raise invalid(tuple(FieldError(name, "Is no parameter of this query") for name in unknown))
    paging = _typed({name: given[name] for name in given.keys() & pages - own}, Paging)
    typed = _typed({name: given[name] for name in given.keys() & own}, query.parameters)
    return Asked(paging, {name: getattr(typed, name) for name in own}, given)


def read_paging(said: Sequence[tuple[str, str]]) -> Paging:
    """Paging alone, for lists that are no domain's."""
    return read_parameters(_BARE_LIST, said).paging


def _typed(values: Mapping[str, str], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid((field_error(error),)) from error
