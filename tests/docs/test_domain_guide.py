"""The guide's domain is built from the guide's own blocks, installed, tested, and sent through."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from support.place import Servers
from support.world import World, running_world

GUIDE = Path(__file__).parents[2] / "docs" / "domain-guide.md"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WAIT = {"Prefer": "wait=10"}


def blocks() -> list[tuple[str, str, str]]:
    """(language, file, text) of each block."""
    return BLOCK.findall(GUIDE.read_text("utf-8"))


def run(*arguments: str, path: Path | None = None) -> None:
    """Run a module of this Python, which must succeed."""
    command = [sys.executable, "-m", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(path or "")}
    ran = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the guide."""
    folder = tmp_path_factory.mktemp("guide")
    for _, name, text in blocks():
        if name:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def installed(folder: Path) -> Iterator[Path]:
    """The guide's distribution, installed where this process finds it."""
    target = folder / "installed"
    run(
        "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-build-isolation", "--no-index", "--target", str(target), str(folder),
    )  # fmt: skip
    sys.path.insert(0, str(target))
    invalidate_caches()
    yield target
    sys.path.remove(str(target))
    for name in [name for name in sys.modules if name.split(".")[0] == "shelf"]:
        del sys.modules[name]


def test_every_block_of_python_is_a_file_of_the_domain(folder: Path) -> None:
    """So that none of them is only looked at; and the layout names them all."""
    python = [name for language, name, _ in blocks() if language == "python"]
    assert len(python) > 5
    assert all(name.endswith(".py") for name in python)
    layout = next(text for language, name, text in blocks() if language == "text" and not name)
    for name in python:
        assert Path(name).name in layout


def test_the_domains_own_tests_pass(folder: Path, installed: Path) -> None:
    """As its author runs them, with the distribution installed."""
    tests = str(folder / "tests")
    run("pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, tests, path=installed)


def test_the_code_is_as_tidy_as_the_rest(folder: Path) -> None:
    """Formatted and linted like our own."""
    config = str(GUIDE.parents[1] / "pyproject.toml")
    files = [str(folder / name) for language, name, _ in blocks() if language == "python"]
    run("ruff", "format", "--quiet", "--check", "--config", config, *files)
    run("ruff", "check", "--quiet", "--config", config, "--ignore", "S101,I001", *files)


async def test_its_commands_come_home_and_its_queries_read(
    installed: Path, servers: Servers
) -> None:
    """Found by its entry point, migrated, decided, stored, claimed, listed page by page."""
    assert installed
    async with running_world(servers) as world:
        first = await said(world, "add", title="Emma", mark="aus1")
        assert first["actions"] == [{"type": "redirect", "to": f"/shelf/{first['key']}"}]
        assert (await said(world, "add", 409, title="Other", mark="AUS1"))["error"]["fields"] == {
            "mark": "This mark is taken."
        }
        for number in range(4):
            await said(world, "add", title=f"Book {number}", mark=f"B{number}")
        lent = await said(world, "lend", book_id=first["key"], to="Ann")
        assert lent["data"]["lent_to"] == "Ann"
        assert await titles(world, "/api/shelf?limit=2") == [
            "Book 3", "Book 2", "Book 1", "Book 0", "Emma",
        ]  # fmt: skip
        assert await titles(world, "/api/shelf?lent=true") == ["Emma"]
        assert await titles(world, "/api/shelf?reader=Bob") == []
        await said(world, "take-back", book_id=first["key"])
        await said(world, "discard", book_id=first["key"])
        async with world.session() as one:
            assert (await one.get(f"/api/shelf/{first['key']}")).status_code == 404
        await said(world, "add", title="Persuasion", mark="AUS1")


async def said(world: World, verb: str, status: int = 200, **payload: str) -> dict[str, object]:
    """The outcome of a command of the shelf."""
    async with world.session() as one:
        answer = await one.post(f"/api/commands/shelf.{verb}", json=payload, headers=WAIT)
    assert answer.status_code == status, answer.text
    return answer.json() if status == 200 else answer.json()["outcome"]


async def titles(world: World, path: str | None) -> list[str]:
    """What a list has, page by page."""
    found: list[str] = []
    async with world.session() as one:
        while path:
            page = (await one.get(path)).json()
            found += [book["title"] for book in page["items"]]
            path = page["next"]
    return found
