"""Alerts, their cases and their runbooks belong together, and no metric of them is made up."""

from __future__ import annotations

import re

import pytest

from support.alerts import (
    HEADINGS,
    ROOT,
    RUNBOOKS,
    Rule,
    cases,
    first_command,
    prelude,
    rules,
    runbook,
)
from support.catalogue import named, unknown

RULES = rules()
EXPECTED = {
    "HomingNoProgress",
    "HomingOldestTooOld",
    "HomingDeadLettersGrowing",
    "HomingTimeoutRatioHigh",
    "HomingPartitionUnheld",
    "HomingStreamNearLimit",
    "HomingPoolExhausted",
    "HomingAnnouncementLoss",
}


@pytest.fixture(params=RULES, ids=lambda rule: rule.name)
def rule(request: pytest.FixtureRequest) -> Rule:
    """Each alert in turn."""
    found: Rule = request.param
    return found


def test_the_alerts_are_there() -> None:
    """Each once, each with a runbook, and no runbook without one."""
    assert sorted(rule.name for rule in RULES) == sorted(EXPECTED)
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == EXPECTED | {"README"}


def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: Rule) -> None:
    """How bad, which installation or process, and the path of its runbook."""
    assert set(rule.annotations) == {"summary", "description", "runbook_url"}
    assert rule.labels["severity"] in ("critical", "warning")
    assert re.search(r"{{ \$labels\.(job|instance) }}", rule.annotations["summary"])
    assert (ROOT / rule.annotations["runbook_url"]).samefile(RUNBOOKS / f"{rule.name}.md")


def test_an_alert_keeps_installations_apart(rule: Rule) -> None:
    """Trouble of one is not diluted by the others' health."""
    groups = re.findall(r"\bby \(([^)]*)\)", rule.expr)
    assert groups
    assert all(one.startswith("namespace, job") for one in groups)


def test_an_alert_is_fired_and_not_fired_by_a_case(rule: Rule) -> None:
    """Of those that promtool runs (`test_alert_rules`)."""
    mine = [bool(one["exp_alerts"]) for one in cases() if one["alertname"] == rule.name]
    assert {True, False} <= set(mine)


def test_a_runbook_has_its_parts(rule: Rule) -> None:
    """The same everywhere, so that nobody searches at night; and it is in the index."""
    page = runbook(rule.name)
    assert page.startswith(f"# {rule.name}\n")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS
    assert first_command(rule.name).count("\n") == 1
    assert f"[{rule.name}]({rule.name}.md)" in (RUNBOOKS / "README.md").read_text("utf-8")


def test_every_metric_that_is_named_is_in_the_catalogue(rule: Rule) -> None:
    """In the alert and in its runbook."""
    assert named(rule.expr)
    assert not unknown(rule.expr)
    assert not unknown(runbook(rule.name))


def test_a_first_command_uses_what_the_index_sets_up() -> None:
    """All else has to be on the machine already."""
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    assert "ask() {" in prelude()
    names = ("ask", "sql", "dead_letters", "reactor_logs")
    for rule in RULES:
        command = first_command(rule.name)
        words = {word for word in names if re.search(rf"\b{word}\b", command)}
        assert words or "$API_INTERNAL" in command
        assert all(f"{word}() {{" in index for word in words)
