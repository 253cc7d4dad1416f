"""The torture run itself, with a fixed seed; and that it fails when a part is taken out."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import pytest

from support.place import open_folder
from torture.books import Books, gather
from torture.checking import check
from torture.history import Accepted, Log, Phase, Sent, Told, read
from torture.planning import KINDS

TESTS = Path(__file__).parents[1]
SMALL = (
    "--duration", "15", "--partitions", "8", "--keys", "400", "--apis", "1", "--settle", "8",
)  # fmt: skip
ROBBED = ("--rate", "300", "--faults", "usurp,expire", "--pace", "0.4")
"""Leases are taken from reactors that believe in them and have work in hand."""


class Done(NamedTuple):
    """A run that ended."""

    code: int
    printed: str
    books: Books

    @property
    def kinds(self) -> set[str]:
        """What was violated."""
        return {violation.kind for violation in check(self.books)}


class Runs:
    """Starts runs in a folder, and ends them if the test is ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.began: list[psutil.Process] = []

    async def run(self, *words: str) -> Done:
        """One run, as `make torture` makes it."""
        history = self.folder / f"run-{len(self.began)}"
        code, printed = await self.start("--folder", str(history), *words)
        assert code in (0, 1), printed
        return Done(code, printed, gather(read(history / "history.jsonl")))

    async def start(self, *words: str) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "torture", *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )  # fmt: skip
        self.began.append(psutil.Process(process.pid))
        printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    def end(self) -> None:
        """Kill what still runs; its children die with it."""
        for process in self.began:
            if process.is_running():
                process.send_signal(signal.SIGKILL)


@pytest.fixture
def runs() -> Iterator[Runs]:
    """Runs in a folder of their own."""
    runs = Runs(open_folder())
    try:
        yield runs
    finally:
        runs.end()
        shutil.rmtree(runs.folder, ignore_errors=True)


@pytest.mark.timeout(300)
async def test_a_minute_of_everything_keeps_every_promise(runs: Runs) -> None:
    """Of all kinds of faults, as far as a slow machine gets in it."""
    done = await runs.run("--duration", "60", "--rate", "150", "--pace", "2", "--seed", "7")
    assert (done.code, done.kinds) == (0, set()), done.printed
    assert {fault.kind for fault in done.books.faults} >= set(KINDS[:10])
    told = [command for command in done.books.commands.values() if command.told]
    assert len(told) > 2000
    assert {one.by for command in told for one in command.told} >= {"stream", "events", "answer"}
    assert {command.told[0].status for command in told} == {"succeeded", "rejected", "failed"}


@pytest.mark.timeout(180)
async def test_without_the_fence_commands_take_effect_twice(runs: Runs) -> None:
    """Whoever was replaced still commits: the checks that would hide it are off."""
    done = await runs.run(*SMALL, *ROBBED, "--without", "fence")
    assert done.code == 1, done.printed
    assert done.kinds & {"doubled", "lost", "out of order"}


@pytest.mark.timeout(180)
async def test_the_fence_alone_is_enough(runs: Runs) -> None:
    """The control of the one before: the same checks are off, but for the fence."""
    done = await runs.run(*SMALL, *ROBBED, "--without", "known")
    assert (done.code, done.kinds) == (0, set()), done.printed


@pytest.mark.timeout(180)
async def test_without_the_reset_commands_are_lost(runs: Runs) -> None:
    """What a reactor had pulled when it died, or slept, is passed over by its successor."""
    words = ("--rate", "600", "--faults", "kill,expire", "--pace", "0.3")
    done = await runs.run(*SMALL, *words, "--without", "reset")
    assert done.code == 1, done.printed
    assert "lost" in done.kinds


@pytest.mark.timeout(180)
async def test_without_the_dedupe_repeats_take_effect_twice(runs: Runs) -> None:
    """Those that were repeated after the window, while their first was not applied yet."""
    words = ("--rate", "200", "--faults", "freeze", "--pace", "0.5", "--repeats", "0.2")
    done = await runs.run(*SMALL, *words, "--round-max", "20", "--without", "dedupe")
    assert done.code == 1, done.printed
    assert "doubled" in done.kinds


async def test_nothing_is_left_running_when_a_run_is_killed(runs: Runs) -> None:
    """Servers and processes die with the harness, even by `kill -9`."""
    folder = runs.folder / "killed"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "torture", "--folder", str(folder), "--rate", "50",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    mine = psutil.Process(process.pid)
    runs.began.append(mine)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"sending" in line:
            break
    family = mine.children(recursive=True)
    assert len(family) > 7
    process.kill()
    await process.wait()
    _gone, left = await asyncio.to_thread(psutil.wait_procs, family, timeout=20)
    assert left == []


async def test_a_history_can_be_judged_again(runs: Runs) -> None:
    """By its folder alone; and whoever runs it is told by the exit code."""
    sent = Sent(t=1, owner=0, key="k-1", number=1, kind="explode", way="batch")
    accepted = Accepted(t=2, key="k-1", number=1, id="x", partition=0)
    told = Told(
        t=3, owner=0, id="x", by="stream", status="failed", key="k-1", sequence=1,
        data=msgspec.Raw(b"null"),
    )  # fmt: skip
    log = Log(runs.folder / "history.jsonl")
    for entry in (sent, accepted):
        log.write(entry)
    log.flush()
    code, printed = await runs.start("--judge", str(runs.folder))
    assert code == 1
    assert "VIOLATION at 1.0 s: unanswered: k-1/1" in printed
    log.write(told)
    log.flush()
    code, printed = await runs.start("--judge", str(runs.folder))
    assert (code, "ends before its run did" in printed) == (2, True)
    log.write(Phase(t=4, name="end"))
    log.close()
    code, printed = await runs.start("--judge", str(runs.folder))
    assert (code, printed.splitlines()[-1]) == (0, "every promise was kept")


@pytest.mark.parametrize("broken", [None, b'{"e":"sent","t":1', b"\xff\n", b'{"e":"other"}\n'])
async def test_what_is_no_history_is_not_judged(runs: Runs, broken: bytes | None) -> None:
    """Exit code 2: nothing was broken, and nothing is proven."""
    if broken is not None:
        (runs.folder / "history.jsonl").write_bytes(broken)
    code, printed = await runs.start("--judge", str(runs.folder))
    assert (code, "holds no whole history" in printed) == (2, True), printed


async def test_a_run_does_not_mix_with_another(runs: Runs) -> None:
    """Its folder has to be a new one."""
    code, printed = await runs.start("--folder", str(runs.folder))
    assert (code, "File exists" in printed) == (2, True), printed
