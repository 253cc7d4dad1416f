"""Problem documents (RFC 9457): how every port says what is wrong, with a stable `type`. Pure."""

from __future__ import annotations

from typing import Any, Self

import msgspec

CONTENT_TYPE = "application/problem+json"


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an error."""

    type: str
    title: str
    status: int
    detail: str = ""

    @classmethod
    def of(cls, status: int, kind: str, detail: str = "", **further: Any) -> Self:
        """`kind` names the problem for programs; its words are its title."""
        title = kind.replace("-", " ").capitalize()
        return cls(type=f"/problems/{kind}", title=title, status=status, detail=detail, **further)


def kind_of(name: str) -> str:
    """The kind of problem that a status is, by its name."""
    return name.lower().replace(" ", "-")
