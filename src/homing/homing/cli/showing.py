"""How the command line shows outcomes: lines for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any, Literal

Output = Literal["auto", "text", "json"]
BY_STATUS = {"succeeded": 0, "rejected": 3, "failed": 4, "pending": 5}


def as_json(output: Output) -> bool:
    """Whether to print JSON: `auto` does so unless a person reads along."""
    return output == "json" or (output == "auto" and not sys.stdout.isatty())


def show(body: dict[str, Any], output: Output, *, lines: bool = False) -> None:
    """Print an outcome or a pending answer; `lines` puts JSON on one line each."""
    if as_json(output):
        print(json.dumps(body, indent=None if lines else 2, ensure_ascii=False))
    else:
        print(line(body))


def line(body: dict[str, Any]) -> str:
    """One outcome on one line."""
    parts = [f"{body['status']:<9}", str(body["type"]), str(body["command_id"])]
    if took := _took(body.get("timeline") or {}):
        parts.append(took)
    if error := body.get("error"):
        fields = (error.get("fields") or {}).items()
        said = "; ".join(f"{name}: {text}" for name, text in fields)
        parts.append(said or error.get("detail") or error.get("title") or "")
    actions = body.get("actions") or []
    parts += [f"-> {one['to']}" for one in actions if one.get("type") == "redirect"]
    return "  ".join(parts)


def _took(timeline: dict[str, Any]) -> str:
    if not timeline.get("accepted_at") or not timeline.get("decided_at"):
        return ""
    begin, end = (datetime.fromisoformat(timeline[step]) for step in ("accepted_at", "decided_at"))
    return f"in {(end - begin).total_seconds() * 1000:.0f} ms"
