"""The combined log of `homing up`: what each line looks like. Pure.

Processes log one JSON object per line; a person reads time, level, action and fields. What is not
JSON (a traceback of a process that could not even start its log) is shown as it came. What a
client has sent may be in either: no character reaches the terminal that is more than a sign.
"""

from __future__ import annotations

import json
import re
from typing import Any

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)
RED, YELLOW, DIM = 31, 33, 2
LEVELS = {"critical": RED, "error": RED, "warning": YELLOW, "debug": DIM}
NAME_WIDTH = 9
ACTION_WIDTH = 24
SPOKEN_BY_THE_PREFIX = frozenset({"timestamp", "level", "action", "event", "service", "exception"})
# All but the tab and what paints, as a process does that logs for a terminal.
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029]")


def colour_of(order: int) -> int:
    """The colour of the process that was named as the `order`th, the same in every run."""
    return COLOURS[order % len(COLOURS)]


def paint(text: str, colour: int | None) -> str:
    """`text` in a terminal's colour; unchanged with None."""
    return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"


def render(name: str, line: str, colour: int | None) -> str:
    """One line of the process `name`, readable; with `colour` None for what is not a terminal."""
    prefix = paint(f"{name:<{NAME_WIDTH}} |", colour)
    return "\n".join(f"{prefix} {part}" for part in _readable(line, colour is not None))


def _readable(line: str, coloured: bool) -> list[str]:
    fields = _fields(line)
    if fields is None:
        return [_CONTROL.sub(lambda found: _sign(found[0]), line)]
    level = str(fields.get("level", "info"))
    colour = LEVELS.get(level) if coloured else None
    shown = f"{_time(fields)} {paint(f'{_plain(level):<7}', colour)}"
    action = _plain(str(fields.get("action", fields.get("event", ""))))
    rest = " ".join(
        f"{paint(_plain(key), DIM if coloured else None)}={_value(value)}"
        for key, value in fields.items()
        if key not in SPOKEN_BY_THE_PREFIX
    )
    trace = str(fields.get("exception", "")).splitlines()
    first = f"{shown} {action:<{ACTION_WIDTH}} {rest}" if rest else f"{shown} {action}"
    return [first, *(f"    {_plain(part)}" for part in trace)]


def _fields(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _time(fields: dict[str, Any]) -> str:
    """`12:34:56.789` of an ISO time; as long when there is none."""
    text = str(fields.get("timestamp", ""))
    return f"{_plain(text[11:23]):<12}" if len(text) > 11 and text[10] == "T" else " " * 12


def _value(value: object) -> str:
    if isinstance(value, str):
        bare = value.isprintable() and " " not in value and '"' not in value
        return value if value and bare else json.dumps(value)
    return json.dumps(value, default=str)


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else _sign(one) for one in text)


def _sign(one: str) -> str:
    return one.encode("unicode_escape").decode()
