"""How dead letters are shown: lines and blocks for people, JSON for programs.

What is in a letter was written by strangers: for people everything that could steer a terminal is
written out.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any, NamedTuple

from homing.cli.showing import Output, as_json
from homing.replaying import Replay, Sent
from homing.storage.dead_letters import Content, Letter

REASON_MAX = 100


class Shown(NamedTuple):
    """A letter, and all that is known of it."""

    letter: Letter
    content: Content
    replays: list[Replay]
    later: int | None
    hindrance: str | None
    """Why it cannot be replayed, if so."""


def show_line(letter: Letter, last: Replay | None, output: Output) -> None:
    """Print a letter on one line, with its last replay."""
    if as_json(output):
        said = {**_head(letter), "replay": None if last is None else _replay(last)}
        print(json.dumps(said, ensure_ascii=False))
        return
    reason = letter.reason if len(letter.reason) <= REASON_MAX else letter.reason[:REASON_MAX] + "…"
    parts = [f"{letter.id:>6}", _time(letter.recorded_at), letter.type, letter.key or "-", reason]
    if last is not None:
        parts.append(f"replay {last.number} {_status(last)}")
    if letter.discarded_at is not None:
        parts.append("discarded")
    print(plain("  ".join(parts)))


def show(shown: Shown, later_max: int, output: Output) -> None:
    """Print all of a letter."""
    letter, content = shown.letter, shown.content
    body = _body(content.body)
    if as_json(output):
        said = {
            **_head(letter),
            "subject": content.subject,
            "headers": json.loads(content.headers),
            **body,
            "traceback": content.traceback,
            "replays": [_replay(one) for one in shown.replays],
            "later": shown.later,
            "not_replayable": shown.hindrance,
        }
        print(json.dumps(said, indent=2, ensure_ascii=False))
        return
    for name, value in _lines(shown, later_max):
        print(plain(f"{name + ':':<12} {value}"))
    print(f"\nheaders:\n{_indented(content.headers)}")
    print(f"\nbody:\n{_indented(str(next(iter(body.values()))))}")
    print(f"\ntraceback:\n{_indented(content.traceback)}")


def show_sent(sent: Sent, output: Output, *, lines: bool = False) -> None:
    """Print a replay that was sent; `lines` puts JSON on one line."""
    replay, position = sent.replay, sent.position
    if as_json(output):
        said = {
            "command_id": replay.command_id,
            "replays": sent.original,
            "number": replay.number,
            "position": {
                "incarnation": position.incarnation,
                "partition": position.partition,
                "sequence": position.sequence,
            },
        }
        print(json.dumps(said, indent=None if lines else 2))
    else:
        print(f"replay {replay.number} of {sent.original}: {replay.command_id}")


def plain(text: str) -> str:
    """The text with whatever cannot be printed written out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _lines(shown: Shown, later_max: int) -> list[tuple[str, str]]:
    letter = shown.letter
    said = [
        ("dead letter", str(letter.id)),
        ("reason", letter.reason),
        ("type", letter.type),
        ("key", letter.key or "-"),
        ("command", letter.command_id or "-"),
        ("position", f"{letter.incarnation}:{letter.partition}:{letter.sequence}"),
        ("recorded", _time(letter.recorded_at)),
        ("subject", shown.content.subject),
    ]
    if letter.discarded_at is not None:
        said.append(("discarded", _time(letter.discarded_at)))
    said += [("replay", f"{one.number} {_status(one)} {one.command_id}") for one in shown.replays]
    if shown.later is not None:
        count = f"{later_max} or more" if shown.later >= later_max else str(shown.later)
        said.append(("later", f"{count} commands have taken effect on this key since"))
    if shown.hindrance is not None:
        said.append(("replay", shown.hindrance))
    return said


def _head(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "type": letter.type,
        "key": letter.key,
        "command_id": letter.command_id,
        "position": {
            "incarnation": letter.incarnation,
            "partition": letter.partition,
            "sequence": letter.sequence,
        },
        "recorded_at": letter.recorded_at.isoformat(),
        "discarded_at": letter.discarded_at.isoformat() if letter.discarded_at else None,
    }


def _replay(replay: Replay) -> dict[str, Any]:
    error = replay.outcome.error if replay.outcome else None
    return {
        "number": replay.number,
        "command_id": replay.command_id,
        "status": _status(replay),
        "error": {"type": error.type, "detail": error.detail} if error else None,
    }


def _status(replay: Replay) -> str:
    return replay.outcome.status if replay.outcome else "pending"


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _indented(text: str) -> str:
    return "\n".join(f"  {plain(line)}" for line in text.splitlines())


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")
