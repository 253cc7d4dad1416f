"""Actions: what the client should do once it has the outcome. Pure, and the same on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# A second slash or a backslash would name another origin (WHATWG URL, "relative slash state").
# `$` alone also matches before a line feed; `\Z` is unknown to JSON Schema.
SameOriginPath = Annotated[str, Meta(pattern=r"^/(?![/\\])[^\x00-\x20\\]*$(?!\n)", max_length=2000)]


class Redirect(msgspec.Struct, frozen=True, tag_field="type", tag="redirect"):
    """Go to a page of the same origin."""

    to: SameOriginPath

    def __post_init__(self) -> None:
        msgspec.convert(self.to, type=SameOriginPath)


class Message(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """Say something to the person."""

    text: Annotated[str, Meta(max_length=2000)]
    level: Literal["info", "success", "warning", "error"] = "info"


class Refresh(msgspec.Struct, frozen=True, tag_field="type", tag="refresh"):
    """Read a query again, named by its path below `/api/`."""

    query: Annotated[str, Meta(max_length=2000)]


Action = Redirect | Message | Refresh
