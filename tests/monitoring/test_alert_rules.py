"""promtool says that the alerts are well formed, and fire when they should, and only then."""

from __future__ import annotations

import subprocess

import pytest

from support.alerts import CASES, FOLDER

pytestmark = pytest.mark.prometheus


def test_the_rules_are_well_formed() -> None:
    """As Prometheus reads them, without an alert of the same name twice."""
    promtool("check", "rules", "--lint-fatal", *map(str, sorted(FOLDER.glob("*.yaml"))))


def test_each_alert_fires_in_its_case_and_not_in_the_others() -> None:
    """With the labels and the words that the operator gets."""
    promtool("test", "rules", *map(str, sorted(CASES.glob("*.yaml"))))


def promtool(*words: str) -> None:
    """Run it; fails with what it complained of."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
