"""The alerts of the chart, their cases for promtool, and their runbooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "helm" / "homing" / "alerts"
CASES = ROOT / "tests" / "alerts"
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["Meaning", "Impact", "First command", "What to do"]
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MINUTES = re.compile(r"\b(\d+)m\b")


class Rule(NamedTuple):
    """One alert."""

    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def rules() -> list[Rule]:
    """All of them."""
    return [
        Rule(rule["alert"], rule["expr"], rule["labels"], rule["annotations"])
        for path in sorted(FOLDER.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def cases() -> list[dict[str, Any]]:
    """What promtool is to see of each: all `alert_rule_test`."""
    return [
        one
        for path in sorted(CASES.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for one in case["alert_rule_test"]
    ]


def hurried(folder: Path, thresholds: Mapping[str, str]) -> None:
    """Write the rules with two seconds for each minute, and with other thresholds.

    `thresholds` maps what stands in an expression to what is to stand there; each is found.
    """
    left = dict(thresholds)
    for path in FOLDER.glob("*.yaml"):
        text = _MINUTES.sub(lambda found: f"{2 * int(found[1])}s", path.read_text("utf-8"))
        for old in [old for old in left if old in text]:
            text = text.replace(old, left.pop(old))
        (folder / path.name).write_text(text, "utf-8")
    assert not left, f"no alert has {list(left)}"


def runbook(alert: str) -> str:
    """Its page."""
    return (RUNBOOKS / f"{alert}.md").read_text("utf-8")


def first_command(alert: str) -> str:
    """The first command of its runbook, as it stands there."""
    (section,) = re.findall(
        r"^## First command\n(.*?)^## ", runbook(alert), re.DOTALL | re.MULTILINE
    )
    (command,) = _BLOCK.findall(section)
    return str(command)


def prelude() -> str:
    """How runbooks put a question to Prometheus: the last block of their index."""
    *_, last = _BLOCK.findall((RUNBOOKS / "README.md").read_text("utf-8"))
    return str(last)
