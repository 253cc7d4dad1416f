"""The image's recipe: what can be held without building it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.chart import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def test_hadolint_finds_nothing() -> None:
    """The linter of recipes, from its wheel."""
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no hadolint for this machine")
    done = subprocess.run([found, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_the_classic_builder_can_build_it() -> None:
    """No syntax line and no mounts of a build."""
    assert "# syntax" not in DOCKERFILE
    assert "--mount" not in DOCKERFILE


def test_what_is_installed_is_hashed() -> None:
    """Every requirement file is installed with its hashes, all else without dependencies."""
    installs = re.findall(r"pip (?:--python \S+ )?install (.*?)(?:\\)?$", DOCKERFILE, re.MULTILINE)
    recipes = [one for one in installs if "/domain" not in one or "./domain" in one]
    assert len(recipes) >= 4
    assert all("--require-hashes" in one or "--no-deps" in one for one in recipes)


def test_the_last_stage_is_what_runs_in_production() -> None:
    """As nobody, by number, with nothing that installs or compiles."""
    assert DOCKERFILE.rstrip().endswith("FROM run")
    run = DOCKERFILE.split(" AS run")[1].split("\nFROM ")[0]
    assert "USER 65532:65532" in run
    commands = re.findall(r"^RUN (\S+)", run, re.MULTILINE)
    assert commands == ["rm"]  # all else was made in the build stage
