"""The operators' routes, beside the probes on the internal port; never on the public one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from quart import Quart, Response, request

from homing.errors import HomingError
from homing.settings import ApiSettings
from homing_api import events, plain
from homing_api.answering import JSON
from homing_api.operators.desk import Letters
from homing_api.operators.guarding import Guard
from homing_api.operators.watching import Watcher
from homing_api.problems import FieldError, invalid, unavailable
from homing_api.routes import answer_errors

T = TypeVar("T")
BODY_MAX_BYTES = 1024
LETTER_MAX = 10**16 - 1


class Operators:
    """The application, which is there before what it calls is."""

    def __init__(self, settings: ApiSettings) -> None:
        self.guard = Guard(settings.operator_token, settings.operator_hosts)
        self.app = _build(self)
        self._watcher: Watcher | None = None
        self._letters: Letters | None = None

    def open(self, watcher: Watcher, letters: Letters) -> None:
        """Answer from now on."""
        self._watcher, self._letters = watcher, letters

    @property
    def watcher(self) -> Watcher:
        """Raises a 503 before there is one."""
        return _there(self._watcher)

    @property
    def letters(self) -> Letters:
        """Raises a 503 before there are any."""
        return _there(self._letters)


def _there(part: T | None) -> T:
    if part is None:
        raise unavailable("The process has not started yet.")
    return part


def _build(operators: Operators) -> Quart:
    app = Quart(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX_BYTES

    @app.before_request
    async def addressed() -> None:
        operators.guard.addressed(request.headers.get("Host", ""))
        await request.get_data()  # nothing is read of it, but one that is too long is a 413

    @app.get("/operator/state")
    async def state() -> Response:
        try:
            return _json(await operators.watcher.state())
        except HomingError as error:
            raise unavailable(str(error)) from error

    @app.get("/operator/events")
    async def watch() -> Response:
        body: Any = b"" if request.method == "HEAD" else operators.watcher.stream()
        response = Response(body, content_type=events.CONTENT_TYPE, headers=events.HEADERS)
        response.timeout = None  # Quart would cut it after a minute
        return response

    _letters(app, operators)
    answer_errors(app)

    @app.after_request
    async def secure(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app


def _letters(app: Quart, operators: Operators) -> None:
    async def answered(work: Callable[[Letters], Callable[[int], Awaitable[Any]]]) -> Response:
        operators.guard.authorized(request.headers.get("Authorization"))
        letter_id = plain.whole(str((request.view_args or {})["letter_id"]))
        if letter_id is None or not 1 <= letter_id <= LETTER_MAX:
            raise invalid((FieldError("id", f"Must be a whole number from 1 to {LETTER_MAX}"),))
        return _json(await work(operators.letters)(int(letter_id)))

    @app.get("/operator/dead-letters/<letter_id>")
    async def show(letter_id: str) -> Response:
        return await answered(lambda letters: letters.show)

    @app.post("/operator/dead-letters/<letter_id>/replay")
    async def replay(letter_id: str) -> Response:
        return await answered(lambda letters: letters.replay)

    @app.post("/operator/dead-letters/<letter_id>/discard")
    async def discard(letter_id: str) -> Response:
        return await answered(lambda letters: letters.discard)


def _json(said: Any) -> Response:
    response = Response(msgspec.json.encode(said), content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response
