"""What the pages point to exists: files, folders, tests, and every page in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
FOLDERS = ("src", "tests", "docs", "examples", "requirements", "deploy", "bench", ".ci")
BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
# A path of this repository, alone between back-ticks; one with a placeholder or a star is none.
OURS = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})(?:/[\w.-]+)*/?")
TEST = re.compile(r"test_\w+")
SOURCES = "\n".join(path.read_text("utf-8") for path in ROOT.glob("tests/**/test_*.py"))


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    path: Path = request.param
    return path


def prose(page: Path) -> str:
    """A page without its blocks."""
    return BLOCK.sub("", page.read_text("utf-8"))


def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """From the page's own folder, as a browser of the repository follows it."""
    links = [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in links if not (page.parent / link.split("#")[0]).exists()] == []


def test_every_path_that_is_named_exists(page: Path) -> None:
    """From the root of the repository."""
    named = [path for path in QUOTED.findall(prose(page)) if OURS.fullmatch(path)]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_test_that_is_named_exists(page: Path) -> None:
    """By the name of its function."""
    named = [name for name in QUOTED.findall(prose(page)) if TEST.fullmatch(name)]
    assert [name for name in named if f"def {name}(" not in SOURCES] == []


def test_the_index_has_every_page() -> None:
    """Nothing that was written is hard to find."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.split("#")[0]).resolve() for link in LINK.findall(prose(index))}
    assert [page for page in PAGES if page not in {*linked, index}] == []
