"""The way in: every public route, and how its request becomes a call and its result a response.

Nothing is decided here. A `Problem` that is raised below becomes its document; whatever else is
raised is logged and answered as a 500 that tells nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from homing import telemetry
from homing.domain import Domain
from homing.identity import trace_id
from homing.log import get
from homing.outcome import CommandId, Outcome, OwnerToken, now
from homing.problems import CONTENT_TYPE, kind_of
from homing.queries import Query
from homing.registry import Registry
from homing.settings import ApiSettings
from homing.storage import OutcomeReading
from homing.tracing.requests import tells
from homing_api import events, plain, spans
from homing_api.answering import JSON, Answer, accepted, outcome_answer, pending_answer
from homing_api.batch import NDJSON, Batch, split
from homing_api.docs_page import docs_page
from homing_api.documents import SEQUENCE_MAX, TIMEOUT_MAX, openapi
from homing_api.expiring import HEADER, expires_at
from homing_api.prefer import wait_seconds
from homing_api.problems import FieldError, Problem, invalid
from homing_api.querying import Queries, read_paging
from homing_api.receiving import check_media_type, receive
from homing_api.recent import recent
from homing_api.schemas import SessionDocument
from homing_api.session import Session, Sessions, keep
from homing_api.status import Status, command_id_of, is_command_id
from homing_api.streaming import WAITING_MAX, Streaming, Told
from homing_api.streams import Streams, come_again
from homing_api.submitting import Submitted, Submitter
from homing_api.wrapping import Asked, Wrapped, idempotency_key, wrap

log = get(__name__)
DELAY_MAX_SECONDS = 5.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TEMPLATE = re.compile(r"<(?:[^<>:]+:)?(?:command_)?([^<>:]+)>")


@dataclass(frozen=True)
class Parts:
    """What the routes call."""

    settings: ApiSettings
    registry: Registry
    sessions: Sessions
    submitter: Submitter
    batch: Batch
    status: Status
    outcomes: OutcomeReading
    queries: Queries
    streams: Streams
    streaming: Streaming


def build(parts: Parts) -> Quart:
    """The application."""
    app = Quart(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.batch_max_bytes
    app.url_map.strict_slashes = False
    app.register_blueprint(docs_page(openapi(parts.registry)))
    _sessions(app, parts)
    _commands(app, parts)
    _batches(app, parts)
    _outcomes(app, parts)
    for domain in parts.registry.domains.values():
        for query in domain.queries:
            _query(app, parts, domain, query)
    answer_errors(app)
    _counting(app)
    return app


def _counting(app: Quart) -> None:
    @app.after_request
    async def counted(response: Response) -> Response:
        rule = request.url_rule
        route = _TEMPLATE.sub(r"{\1}", rule.rule) if rule else telemetry.UNKNOWN
        method = request.method if request.method in METHODS else telemetry.OTHER
        telemetry.REQUESTS.labels(route, method, str(response.status_code)).inc()
        return response


def _sessions(app: Quart, parts: Parts) -> None:
    @app.get("/api/session")
    async def session() -> Response:
        mine = parts.sessions.ensured(request)
        said = SessionDocument(mine.owner, parts.settings.demo == "on")
        return _respond(Answer(200, JSON, msgspec.json.encode(said), {}), mine)


def _commands(app: Quart, parts: Parts) -> None:
    @app.post("/api/commands/<command_type>")
    async def submit(command_type: str) -> Response:
        known = command_type if parts.registry.find(command_type) else telemetry.UNKNOWN
        try:
            answer, session = await _submitted(parts, command_type)
        except Problem as problem:
            telemetry.SUBMITTED.labels(known, str(problem.document.status)).inc()
            raise
        telemetry.SUBMITTED.labels(known, str(answer.status)).inc()
        return _respond(answer, session)

    @app.get("/api/commands/<command_id>")
    async def status(command_id: str) -> Response:
        if parts.registry.find(command_id):
            raise MethodNotAllowed(["POST"])  # a command's type, not a command's id
        session = parts.sessions.required(request)
        sequence = _number("seq", 1, SEQUENCE_MAX, whole=True)
        found = await parts.status.look_up(
            session.owner, command_id_of(command_id), None if sequence is None else int(sequence)
        )
        if isinstance(found, Outcome):
            parts.submitter.waits.seen(found.command_id)
        return _respond(Answer(200, JSON, msgspec.json.encode(found), {}), session)

    @app.get("/api/commands/<command_id>/events")
    async def subscribe(command_id: str) -> Response:
        owner = parts.sessions.required(request).owner
        wanted = command_id_of(command_id)
        timeout = _number("timeout", 0, TIMEOUT_MAX)
        if request.headers.get("Last-Event-ID") == wanted:
            return Response(b"", 204)  # told before; an EventSource stops only at this
        return _stream(parts, owner, parts.streaming.of_command(owner, wanted, timeout))


def _batches(app: Quart, parts: Parts) -> None:
    @app.post("/api/commands")
    async def submit_batch() -> Response:
        spans.of_request(_traceparent())
        body = await _body(parts.settings.batch_max_bytes)
        media_type = check_media_type(request.headers.get("Content-Type", ""), JSON, NDJSON)
        items = split(media_type, body)
        session = parts.sessions.ensured(request)
        answers = await parts.batch.submit(items, session.owner)
        for answer in answers:
            _tells(answer.outcome)
        if media_type == JSON:
            said = msgspec.json.encode(answers)
        else:
            said = b"".join(msgspec.json.encode(answer) + b"\n" for answer in answers)
        return _respond(Answer(200, media_type, said, {}), session)


def _outcomes(app: Quart, parts: Parts) -> None:
    @app.get("/api/outcomes")
    async def outcomes() -> Response:
        session = parts.sessions.required(request)
        paging = read_paging(list(request.args.items(multi=True)))
        page = await recent(parts.outcomes, session.owner, paging.limit, paging.after)
        return _respond(Answer(200, JSON, msgspec.json.encode(page), {}), session)

    @app.get("/api/outcomes/stream")
    async def subscribe_all() -> Response:
        owner = parts.sessions.required(request).owner
        # A query parameter is for clients that cannot set the header.
        cursor = request.headers.get("Last-Event-ID") or request.args.get("last-event-id") or None
        # What is no id waits for nothing; any status but 200 would close an EventSource for good.
        waiting = [one for one in request.args.get("waiting", "").split(",") if is_command_id(one)]
        told = Told(cursor, [CommandId(one) for one in waiting[:WAITING_MAX]])
        return _stream(parts, owner, parts.streaming.of_owner(owner, told))


def _query(app: Quart, parts: Parts, domain: Domain, query: Query) -> None:
    async def answer(**inside: str) -> Response:
        said = [*inside.items(), *request.args.items(multi=True)]
        found = await parts.queries.answer(domain, query, request.path, said)
        return _respond(Answer(200, JSON, msgspec.json.encode(found), {}))

    path = f"/api/{domain.name}{query.path}".replace("{", "<").replace("}", ">")
    app.add_url_rule(path, f"query {domain.name}{query.path}", answer, methods=["GET"])


def answer_errors(app: Quart) -> None:
    """Answer whatever is raised as a problem document."""

    @app.errorhandler(Problem)
    async def problem(error: Problem) -> Response:
        body = msgspec.json.encode(error.document)
        return _respond(Answer(error.document.status, CONTENT_TYPE, body, error.headers))

    @app.errorhandler(HTTPException)
    async def refused(error: HTTPException) -> Response:
        allowed = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        said = Problem(
            error.code or 500, kind_of(error.name), error.description or "", headers=headers
        )
        return await problem(said)

    @app.errorhandler(Exception)
    async def broken(error: Exception) -> Response:
        route = request.url_rule.rule if request.url_rule else "other"
        about = {"trace_id": trace} if (trace := trace_id(_traceparent() or "")) else {}
        log.error("request.failed", route=route, exc_info=error, **about)
        return await problem(Problem(500, "internal-error", "Something here is broken."))


async def _submitted(parts: Parts, command_type: str) -> tuple[Answer, Session]:
    spans.of_request(_traceparent())
    body = await _body(parts.settings.body_max_bytes)
    started = time.monotonic()
    content_type = request.headers.get("Content-Type", "")
    received = receive(parts.registry, command_type, content_type, body)
    session = parts.sessions.ensured(request)
    wrapped = wrap(received, session.owner, parts.settings.partitions, _asked(parts.settings))
    telemetry.observe(telemetry.STEP_SECONDS, time.monotonic() - started, "validate")
    spans.about(wrapped)
    wait = wait_seconds(request.headers.getlist("Prefer"))
    submitted = await parts.submitter.submit(wrapped, wait)
    if submitted.outcome is not None:
        outcome = submitted.outcome.outcome
        parts.submitter.waits.told("response", outcome, submitted.heard_at)
    return _answer(wrapped, submitted), session


async def _body(most: int) -> bytes:
    body: bytes = await request.get_data(cache=False, as_text=False)  # type: ignore[assignment]  # Quart types the flag as bool
    if len(body) > most:
        raise Problem(413, "too-large", f"A command has at most {most} bytes.")
    return body


def _asked(settings: ApiSettings) -> Asked:
    return Asked(
        idempotency_key=idempotency_key(_once("Idempotency-Key")),
        traceparent=_traceparent(),
        delay_seconds=_delay() if settings.demo == "on" else 0.0,
        expires=expires_at(_once(HEADER), now(), timedelta(days=settings.command_retention_days)),
    )


def _traceparent() -> str | None:
    """The sender's; two of them are malformed, as one with a comma in it is (W3C Trace Context)."""
    return ",".join(request.headers.getlist("traceparent")) or None


def _once(name: str) -> str | None:
    """A header that means nothing twice: which of the two was meant?"""
    said = request.headers.getlist(name)
    if len(said) > 1:
        detail = f"{name} was given {len(said)} times; it has to be one value."
        raise Problem(400, "repeated-header", detail, errors=(FieldError(name, "Given twice"),))
    return said[0] if said else None


def _delay() -> float:
    text = request.headers.get("Homing-Demo-Delay", "0")
    seconds = plain.number(text)
    if seconds is None or seconds > DELAY_MAX_SECONDS:
        detail = f"Homing-Demo-Delay has to be a number of seconds up to {DELAY_MAX_SECONDS:g}."
        raise Problem(400, "bad-delay", detail)
    return seconds


def _answer(wrapped: Wrapped, submitted: Submitted) -> Answer:
    if submitted.outcome is not None:
        _tells(submitted.outcome.outcome)
        answer = outcome_answer(submitted.outcome.outcome)
    else:
        answer = pending_answer(accepted(wrapped, submitted.position))
    if submitted.waited is not None:
        answer.headers["Preference-Applied"] = f"wait={submitted.waited:g}"
    return answer


def _tells(outcome: Outcome | None) -> None:
    if outcome is not None and outcome.traceparent:
        tells(request.scope, outcome.traceparent)


def _number(name: str, least: float, most: float, *, whole: bool = False) -> float | None:
    """A number in the query string. Raises a 422."""
    values = request.args.getlist(name)
    if not values:
        return None
    value = plain.whole(values[0]) if whole else plain.number(values[0])
    if len(values) > 1 or value is None or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise invalid((FieldError(name, f"Must be {kind} from {least:g} to {most:g}"),))
    return value


def _stream(parts: Parts, owner: OwnerToken, frames: AsyncIterator[bytes]) -> Response:
    reason = parts.streams.refusal(owner)
    body: Any = frames
    if reason is not None:
        # Any other status would close an EventSource for good.
        telemetry.STREAMS_ENDED.labels("refused").inc()
        body = events.comment(reason) + come_again()
    if request.method == "HEAD":
        body = b""
    response = Response(body, content_type=events.CONTENT_TYPE, headers=events.HEADERS)
    response.timeout = None  # Quart would cut it after a minute
    return response


def _respond(answer: Answer, session: Session | None = None) -> Response:
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers.update({"Cache-Control": "no-store", **answer.headers})
    if session is not None:
        forwarded = request.headers.get("X-Forwarded-Proto", request.scheme)
        keep(response, session, secure=forwarded == "https")
    return response
