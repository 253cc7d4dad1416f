"""What the pages tell to type is run as it is written, and must print what they say it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.up import Up

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """(kind, text) of each block that is run or printed, in order."""
    return [(match[1], match[2]) for match in BLOCK.finditer(page.read_text("utf-8"))]


def expected(text: str) -> list[re.Pattern[str]]:
    """A pattern for each line; an ellipsis stands for anything."""
    lines = [line for line in text.splitlines() if line.strip("…")]
    return [re.compile(".*".join(re.escape(part) for part in line.split("…"))) for line in lines]


@pytest.mark.parametrize("page", ["README.md", "docs/waiting.md"])
def test_the_tour_does_what_it_says(page: str, up: Up, tmp_path: Path) -> None:
    """Every command succeeds, every promised line is printed, in this order."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl, which the tour is written with")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    parts, promised = [], []
    for kind, text in blocks(ROOT / page):
        if kind == "bash":
            parts.append(text.replace("http://127.0.0.1:8080", up.facts["url"]))
        else:
            promised += expected(text)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(parts)],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
        env={**os.environ, "HOMING_SESSION_FILE": str(tmp_path / "session.json")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    rest = ran.stdout
    for pattern in promised:
        found = pattern.search(rest)
        assert found, f"{pattern.pattern!r} does not follow in:\n{rest}"
        rest = rest[found.start() :]
