"""The words of this domain, with their rules."""

from typing import Annotated, Literal

from msgspec import Meta

LocationId = Annotated[str, Meta(min_length=1, max_length=36)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Description = Annotated[str, Meta(max_length=2000)]
Category = Literal["Town", "City", "County/Region", "Country", "Continent"]
