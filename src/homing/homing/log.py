"""Logs: one event per line, with an `action` of `log_actions` and fields; JSON, or text on a
terminal.

No line holds what a client sent or a secret. An exception's words may hold both (Postgres repeats
the row that it refuses), so that of an exception only its place and its type are logged; what it
said is in the dead letter, or in the answer.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any

import structlog
from structlog.dev import plain_traceback

from homing.log_actions import LIBRARY
from homing.settings import Logging

Event = MutableMapping[str, Any]


def configure(settings: Logging, service: str) -> None:
    """Route structlog and the standard library's loggers to stderr in one form."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_words,
    ]
    render: list[Any] = (
        [structlog.dev.ConsoleRenderer(event_key="action", exception_formatter=plain_traceback)]
        if console
        else [structlog.processors.JSONRenderer()]
    )
    rename = structlog.processors.EventRenamer("action")
    structlog.configure(
        processors=[*shared, rename, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                rename,
                *render,
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _said_by_a_library],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def get(name: str) -> Any:
    """A logger; call it as `log.info("action", field=value)`."""
    return structlog.get_logger(name)


def without_words(_logger: Any, _method: str, event: Event) -> Event:
    """A processor: `exc_info` becomes `exception`, the traceback without what was said."""
    said = event.pop("exc_info", None)
    error = sys.exception() if said is True else said[1] if isinstance(said, tuple) else said
    if isinstance(error, BaseException):
        event["exception"] = "".join(_places(error)).rstrip()
    return event


def _places(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _places(before)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _places(one)


def _said_by_a_library(_logger: Any, _method: str, event: Event) -> Event:
    """Its words are no action; what comes after the first line shows objects, as asyncio does."""
    event["message"], event["event"] = str(event["event"]).partition("\n")[0], LIBRARY
    return event
