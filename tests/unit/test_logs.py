"""Logs: a fixed list of actions, one form for all who log, and no words of an exception."""

from __future__ import annotations

import ast
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from homing import log as logs
from homing.log_actions import ACTIONS, LIBRARY
from homing.settings import Logging

SOURCES = sorted((Path(__file__).parents[2] / "src").glob("*/*/**/*.py"))
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
PLANTED = "what the client sent"


def logged(tree: ast.AST) -> Iterator[list[str]]:
    """The actions of each call that logs: of `log.info("…")`, and of `run(log.info, "…")`."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = [call.func, *call.args]
        if any(_logs(one) for one in called):
            said = call.args[0] if _logs(call.func) else call.args[1]
            branches = [said.body, said.orelse] if isinstance(said, ast.IfExp) else [said]
            yield [one.value for one in branches if isinstance(one, ast.Constant)]


def _logs(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in LEVELS
        and isinstance(node.value, ast.Name)
        and node.value.id == "log"
    )


def test_every_action_that_is_logged_is_in_the_list_and_every_other_way_round() -> None:
    """An action is written out where it is logged; none is listed that nobody logs."""
    calls = [
        (path, actions)
        for path in SOURCES
        for actions in logged(ast.parse(path.read_text("utf-8")))
    ]
    assert [path for path, actions in calls if not actions] == []
    said = {action for _, actions in calls for action in actions}
    assert said | {LIBRARY} == set(ACTIONS)


def test_nothing_is_logged_around_the_list() -> None:
    """No print and no logger of the standard library, but for the command line's own words."""
    allowed = {"cli", "local"}
    for path in SOURCES:
        if allowed & set(path.parts):
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if _prints(node)]
        assert not calls, path


def _prints(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    )


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What is logged, decoded; at the end logging is as it was."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    logs.configure(Logging(log_level="debug", log_format="json"), "tested")
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_library_logs_in_the_same_form(lines: Any) -> None:
    """With an action of the list; of what it says, the first line."""
    logging.getLogger("hypercorn.error").warning("went %s\nfuture: <%s>", "wrong", PLANTED)
    (line,) = lines()
    assert line.pop("timestamp")
    assert line == {
        "action": LIBRARY, "message": "went wrong", "logger": "hypercorn.error",
        "level": "warning", "service": "tested",
    }  # fmt: skip


@pytest.mark.parametrize("logger", ["ours", "asyncio"])
def test_an_exception_says_where_and_what_it_is_and_not_what_it_says(
    lines: Any, logger: str
) -> None:
    """Neither do those that led to it, nor those of a group."""
    said = structlog.get_logger() if logger == "ours" else logging.getLogger(logger)
    try:
        try:
            int(PLANTED)
        except ValueError as error:
            raise ExceptionGroup(PLANTED, [KeyError(PLANTED)]) from error
    except ExceptionGroup:
        said.exception("request.failed")
    (line,) = lines()
    text = json.dumps(line)
    assert PLANTED not in text.replace("int(PLANTED)", "")
    for expected in ("ValueError", "ExceptionGroup", "KeyError", "test_logs.py", "which led to"):
        assert expected in line["exception"]
