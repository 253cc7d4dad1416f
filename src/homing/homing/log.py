"""Logs: one event per line, with a fixed `action` and fields; JSON, or text on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.dev import plain_traceback

from homing.settings import Logging


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
        structlog.processors.format_exc_info,
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
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def get(name: str) -> Any:
    """A logger; call it as `log.info("action", field=value)`."""
    return structlog.get_logger(name)
