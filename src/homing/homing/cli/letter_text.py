"""How dead letters are shown: lines and blocks for people, JSON for programs.

What is in a letter was written by strangers: for people everything that could steer a terminal is
written out.
"""

from __future__ import annotations

import json
from datetime import datetime

from homing import desk
from homing.cli.showing import Output, as_json
from homing.desk import LATER_MAX, Shown
from homing.replaying import Replay, Sent
from homing.storage.dead_letters import Letter

REASON_MAX = 100


def show_line(letter: Letter, last: Replay | None, output: Output) -> None:
    """Print a letter on one line, with its last replay."""
    if as_json(output):
        replay = None if last is None else desk.replay_document(last)
        said = {**desk.head(letter), "replay": replay}
        print(json.dumps(said, ensure_ascii=False))
        return
    reason = letter.reason if len(letter.reason) <= REASON_MAX else letter.reason[:REASON_MAX] + "…"
    parts = [f"{letter.id:>6}", _time(letter.recorded_at), letter.type, letter.key or "-", reason]
    if last is not None:
        parts.append(f"replay {last.number} {last.status}")
    if letter.discarded_at is not None:
        parts.append("discarded")
    print(plain("  ".join(parts)))


def show(shown: Shown, output: Output) -> None:
    """Print all of a letter."""
    if as_json(output):
        print(json.dumps(desk.document(shown), indent=2, ensure_ascii=False))
        return
    content = shown.content
    for name, value in _lines(shown):
        print(plain(f"{name + ':':<12} {value}"))
    print(f"\nheaders:\n{_indented(content.headers)}")
    print(f"\nbody:\n{_indented(str(next(iter(desk.body(content.body).values()))))}")
    print(f"\ntraceback:\n{_indented(content.traceback)}")


def show_sent(sent: Sent, output: Output, *, lines: bool = False) -> None:
    """Print a replay that was sent; `lines` puts JSON on one line."""
    if as_json(output):
        print(json.dumps(desk.sent_document(sent), indent=None if lines else 2))
    else:
        print(f"replay {sent.replay.number} of {sent.original}: {sent.replay.command_id}")


def plain(text: str) -> str:
    """The text with whatever cannot be printed written out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _lines(shown: Shown) -> list[tuple[str, str]]:
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
    said += [("replay", f"{one.number} {one.status} {one.command_id}") for one in shown.replays]
    if shown.later is not None:
        count = f"{LATER_MAX} or more" if shown.later >= LATER_MAX else str(shown.later)
        said.append(("later", f"{count} commands have taken effect on this key since"))
    if shown.hindrance is not None:
        said.append(("replay", shown.hindrance))
    return said


def _indented(text: str) -> str:
    return "\n".join(f"  {plain(line)}" for line in text.splitlines())


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")
