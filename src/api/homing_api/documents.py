"""The OpenAPI 3.1 document, from the domains' own structs. Pure.

The schemas are msgspec's; here they are put at the paths. Every command has a path of its own
in it, though one route serves them all.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from homing.commands import Command
from homing.domain import Domain
from homing.identity import ID_PATTERN
from homing.outcome import Outcome
from homing.problems import CONTENT_TYPE as PROBLEM
from homing.queries import Query
from homing.registry import Registry
from homing_api import events, expiring
from homing_api.answering import Accepted, VerdictDocument
from homing_api.batch import ITEMS_MAX, NDJSON, BatchItem, ItemAnswer
from homing_api.problems import ProblemDocument
from homing_api.querying import Paging
from homing_api.recent import OutcomePage
from homing_api.schemas import Schema, Schemas, SessionDocument

JSON = "application/json"


def openapi(registry: Registry) -> bytes:
    """The document, as JSON."""
    schemas = Schemas(registry)
    paths: dict[str, Any] = _fixed(schemas)
    for domain in registry.domains.values():
        for command in domain.commands:
            paths[f"/api/commands/{command.command_type}"] = {"post": _submit(schemas, command)}
        for query in domain.queries:
            path = f"/api/{domain.name}{query.path}"
            paths[path] = {"get": _query(schemas, domain, query)}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Homing",
                "version": version("homing"),
                "description": "Send a command; its outcome comes home.",
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {"schemas": schemas.components, "securitySchemes": _SECURITY},
        }
    )


SEQUENCE_MAX = 2**53
TIMEOUT_MAX = 3600
_SECURITY = {"session": {"type": "apiKey", "in": "cookie", "name": "homing_session"}}
_OWN: list[dict[str, list[str]]] = [{"session": []}]
_EVENT: Schema = {
    "type": "object",
    "description": "One event of the stream; `data` is JSON",
    "properties": {
        "event": {"type": "string", "enum": ["outcome", "pending", "reset", "ping"]},
        "data": {"type": "string", "contentMediaType": JSON},
        "id": {"type": "string", "pattern": "^[A-Za-z0-9._-]*$"},
        "retry": {"type": "integer"},
    },
}
_ID = {
    "name": "command_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{ID_PATTERN.pattern}$"},
}


def _fixed(schemas: Schemas) -> dict[str, Any]:
    """What there is whatever the domains are."""
    return {
        "/api/session": {"get": _session(schemas)},
        "/api/commands": {"post": _batch(schemas)},
        "/api/outcomes": {"get": _recent(schemas)},
        "/api/outcomes/stream": {"get": _stream(schemas)},
        "/api/commands/{command_id}": {"get": _status(schemas)},
        "/api/commands/{command_id}/events": {"get": _listen(schemas)},
    }


def _session(schemas: Schemas) -> Schema:
    return {
        "operationId": "session",
        "tags": ["session"],
        "summary": "Make sure of the anonymous session's cookie",
        "responses": {"200": _body("Who you are", schemas.ref(SessionDocument))},
    }


def _status(schemas: Schemas) -> Schema:
    return {
        "operationId": "status",
        "tags": ["outcomes"],
        "summary": "The outcome of a command, or that it is pending",
        "security": _OWN,
        "parameters": [
            _ID,
            _query_parameter(
                "seq",
                {"type": "integer", "minimum": 1, "maximum": SEQUENCE_MAX},
                "The command's place in the stream, as its Location has it; lets the API prove "
                "that a pending command exists.",
            ),
        ],
        "responses": {
            "200": _body(
                "The outcome, or `pending`",
                {"anyOf": [schemas.ref(Outcome), schemas.ref(Accepted)]},
            ),
            **_problems(schemas, 401, 404, 410, 422, 503),
        },
    }


def _listen(schemas: Schemas) -> Schema:
    return {
        "operationId": "events",
        "tags": ["outcomes"],
        "summary": "The outcome of a command, when it comes",
        "description": "Events: `outcome` (data: the outcome), after which the stream ends; "
        "`pending`, once, when the timeout runs out; `ping`.",
        "security": _OWN,
        "parameters": [
            _ID,
            _query_parameter(
                "timeout",
                {"type": "number", "minimum": 0, "maximum": TIMEOUT_MAX},
                "Seconds after which `pending` is said; the stream stays open.",
            ),
        ],
        "responses": {
            "200": {
                "description": "An event stream",
                "content": {events.CONTENT_TYPE: {"schema": _EVENT}},
            },
            "204": {"description": "You were told; do not come again"},
            **_problems(schemas, 401, 404, 422),
        },
    }


def _batch(schemas: Schemas) -> Schema:
    # Whatever is no such item is refused in its own answer, not with the whole request.
    item = {"anyOf": [schemas.ref(BatchItem), {}]}
    items = {"type": "array", "maxItems": ITEMS_MAX, "items": item}
    answers = {"type": "array", "items": schemas.ref(ItemAnswer)}
    line = {"type": "string", "description": "One JSON object on each line"}
    return {
        "operationId": "submit-many",
        "tags": ["commands"],
        "summary": "Many commands at once: one answer for each, in their order",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": items}, NDJSON: {"schema": line}},
        },
        "responses": {
            "200": {
                "description": "What each would have been answered alone",
                "content": {JSON: {"schema": answers}, NDJSON: {"schema": line}},
            },
            **_problems(schemas, 400, 413, 415),
        },
    }


def _recent(schemas: Schemas) -> Schema:
    parameters = [
        _query_parameter(name, schema, "") for name, schema in schemas.properties(Paging).items()
    ]
    return {
        "operationId": "outcomes",
        "tags": ["outcomes"],
        "summary": "Your outcomes, newest first",
        "security": _OWN,
        "parameters": parameters,
        "responses": {
            "200": _body("A page", schemas.ref(OutcomePage)),
            **_problems(schemas, 401, 422, 503),
        },
    }


def _stream(schemas: Schemas) -> Schema:
    text = {"type": "string"}
    return {
        "operationId": "outcomes-stream",
        "tags": ["outcomes"],
        "summary": "All your outcomes, as they come",
        "description": "Events: `outcome` (data: the outcome), `reset` (the cursor is not known "
        "any more: read again what you show), `ping`. Resumes behind `Last-Event-ID`.",
        "security": _OWN,
        "parameters": [
            _header("Last-Event-ID", text, "The id of the last event that you had"),
            _query_parameter("last-event-id", text, "The same, for who cannot set the header"),
            _query_parameter(
                "waiting", text, "Ids of commands whose outcomes may have come before"
            ),
        ],
        "responses": {
            "200": {
                "description": "An event stream",
                "content": {events.CONTENT_TYPE: {"schema": _EVENT}},
            },
            **_problems(schemas, 401, 404),
        },
    }


def _submit(schemas: Schemas, command: type[Command]) -> Schema:
    text = {"type": "string"}
    return {
        "operationId": command.command_type,
        "tags": [command.command_type.split(".")[0]],
        "summary": (command.__doc__ or command.command_type).strip().splitlines()[0],
        "parameters": [
            _header("Prefer", text, "`wait=N`: hold the response up to N seconds for the outcome"),
            _header("Idempotency-Key", text, "A repeat with the same key is the same command"),
            _header(
                expiring.HEADER,
                text,
                "Not applied by then it fails as `expired`: seconds from now on, or an instant "
                "(RFC 3339). A repeat keeps the first one's.",
            ),
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": schemas.ref(command)}}},
        "responses": {
            "200": _body("It succeeded in time", schemas.ref(Outcome)),
            "202": {
                **_body("It is stored, and will end in an outcome", schemas.ref(Accepted)),
                "headers": {
                    "Location": {"description": "The status", "schema": text},
                    "Link": {"description": 'The events, as rel="monitor"', "schema": text},
                },
                "links": {
                    "status": _link("status", seq="$response.body#/position/sequence"),
                },
            },
            "409": _problem("It was rejected", schemas.ref(VerdictDocument)),
            "500": _problem("It failed", schemas.ref(VerdictDocument)),
            **_problems(schemas, 400, 410, 413, 415, 422, 429, 503),
        },
    }


def _query(schemas: Schemas, domain: Domain, query: Query) -> Schema:
    kinds: list[type] = [query.parameters, Paging] if query.order else [query.parameters]
    parameters = [
        _query_parameter(name, schema, schema.get("description", ""), name in query.path_parameters)
        for kind in kinds
        for name, schema in schemas.properties(kind).items()
    ]
    row = schemas.ref(query.row)
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": row},
            "next": {"type": ["string", "null"], "description": "The path of the next page"},
        },
    }
    return {
        "operationId": f"{domain.name}{query.path}".replace("/", "."),
        "tags": [domain.name],
        "summary": query.summary,
        "parameters": parameters,
        "responses": {
            "200": _body("A page" if query.order else "The row", page if query.order else row),
            **_problems(schemas, *(() if query.order else (404,)), 422, 503),
        },
    }


def _link(operation: str, **parameters: str) -> Schema:
    return {
        "operationId": operation,
        "parameters": {"command_id": "$response.body#/command_id", **parameters},
    }


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": schema, "description": description}


def _query_parameter(name: str, schema: Schema, description: str, in_path: bool = False) -> Schema:
    where = {"in": "path", "required": True} if in_path else {"in": "query"}
    return {"name": name, **where, "schema": schema, "description": description}


def _body(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _problem(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {PROBLEM: {"schema": schema}}}


_TITLES = {
    400: "Malformed",
    401: "No session",
    404: "Not found",
    410: "No longer kept",
    413: "Too large",
    415: "Not JSON",
    422: "Not valid",
    429: "Too many requests",
    503: "Not available now; see Retry-After",
}


def _problems(schemas: Schemas, *statuses: int) -> Schema:
    problem = schemas.ref(ProblemDocument)
    return {str(status): _problem(_TITLES[status], problem) for status in statuses}
