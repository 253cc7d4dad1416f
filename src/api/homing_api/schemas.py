"""The JSON Schemas of everything that the API takes and gives, made by msgspec. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from homing.outcome import Outcome
from homing.registry import Registry
from homing_api.answering import Accepted, VerdictDocument
from homing_api.batch import BatchItem, ItemAnswer
from homing_api.problems import ProblemDocument
from homing_api.querying import Paging
from homing_api.recent import OutcomePage

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"


class SessionDocument(msgspec.Struct, frozen=True):
    """Who you are to Homing."""

    owner: str
    """Your token: outcomes are told to it alone."""
    demo: bool
    """Whether commands may ask for a simulated delay."""


class Schemas:
    """The JSON Schemas of everything that the API takes and gives."""

    def __init__(self, registry: Registry) -> None:
        domains = registry.domains.values()
        queries = [query for domain in domains for query in domain.queries]
        types: list[type] = [
            *(command for domain in domains for command in domain.commands),
            *(query.row for query in queries),
            *(query.parameters for query in queries),
            *(Accepted, BatchItem, ItemAnswer, Outcome, OutcomePage, Paging, ProblemDocument),
            *(SessionDocument, VerdictDocument),
        ]
        unique = list(dict.fromkeys(types))
        schemas, self.components = msgspec.json.schema_components(unique, ref_template=REF)
        self._by_type = dict(zip(unique, schemas, strict=True))

    def ref(self, kind: type) -> Schema:
        """A reference to a type's schema."""
        return self._by_type[kind]

    def properties(self, kind: type) -> Mapping[str, Schema]:
        """The schema of each field of a struct."""
        name = self._by_type[kind]["$ref"].rsplit("/", 1)[1]
        properties: Mapping[str, Schema] = self.components[name].get("properties", {})
        return properties

    def required(self, kind: type) -> Iterable[str]:
        """The fields of a struct that must be there."""
        name = self._by_type[kind]["$ref"].rsplit("/", 1)[1]
        required: Iterable[str] = self.components[name].get("required", ())
        return required
