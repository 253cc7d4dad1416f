"""The command line against a running Homing: send one, send a file, look, follow."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from homing.cli.batches import Batch, send_all
from homing.cli.calling import homing_at
from homing.cli.following import status
from homing.local import ports
from support.place import Servers
from support.shell import Shell
from support.world import World, running_world


@pytest.fixture(scope="module")
async def world(servers: Servers) -> AsyncIterator[World]:
    async with running_world(servers) as world:
        yield world


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Shell:
    return shell_of(world, tmp_path)


def shell_of(world: World, folder: Path) -> Shell:
    """With a session that is kept in this folder."""
    return Shell(HOMING_URL=world.url, HOMING_SESSION_FILE=str(folder / "session.json"))


def number(tally: str, value: int) -> str:
    """A payload of `tally.add`."""
    return json.dumps({"tally_id": tally, "number": value})


async def test_one_command_and_its_outcome(shell: Shell) -> None:
    """Standard output is the outcome; text says it in one line."""
    sent = await shell.run("send", "tally.add", "--json", number("one", 1))
    assert sent.code == 0
    assert json.loads(sent.out)["data"]["count"] == 1
    text = await shell.run("send", "tally.add", "--json", number("one", 2), "--output", "text")
    assert text.out.startswith("succeeded  tally.add")
    assert " ms" in text.out


async def test_each_verdict_has_its_exit_code(shell: Shell) -> None:
    """3 rejected, 4 failed, 2 bad input, 5 pending, 1 unreachable."""
    assert (await shell.run("send", "tally.add", "--json", number("v", -1))).code == 3
    assert (await shell.run("send", "tally.explode", "--json", '{"tally_id":"v"}')).code == 4
    bad = await shell.run("send", "tally.add", "--json", '{"tally_id":"v"}')
    assert (bad.code, "number" in bad.err, bad.out) == (2, True, "")
    assert (await shell.run("send", "tally.add", "--json", number("v", 1), "--wait", "0")).code == 5
    nobody = f"http://127.0.0.1:{ports.free()[0]}"
    gone = await shell.run("send", "tally.add", "--json", number("v", 1), "--url", nobody)
    assert gone.code == 1
    assert "does not answer" in gone.err


async def test_a_command_can_expire(shell: Shell) -> None:
    """`--expires` says until when it may be applied; what that cannot be is bad input."""
    sending = ("send", "tally.add", "--json", number("brief", 1), "--expires")
    assert (await shell.run(*sending, "60")).code == 0
    late = await shell.run(*sending, "0.001")
    assert (late.code, json.loads(late.out)["error"]["type"]) == (4, "expired")
    bad = await shell.run(*sending, "never")
    assert (bad.code, "Homing-Expires" in bad.err) == (2, True)


async def test_a_later_call_sees_what_an_earlier_one_sent(shell: Shell) -> None:
    """The session is kept in a private file; a status can be looked at and followed."""
    sent = await shell.run("send", "tally.add", "--json", number("kept", 7), "--wait", "0")
    command_id = json.loads(sent.out)["command_id"]
    followed = await shell.run("status", command_id, "--follow")
    assert (followed.code, json.loads(followed.out)["status"]) == (0, "succeeded")
    assert (await shell.run("status", command_id)).code == 0
    listed = await shell.run("outcomes", "--limit", "1")
    assert [one["command_id"] for one in listed.lines] == [command_id]


async def test_a_strangers_command_is_not_known(world: World, shell: Shell, tmp_path: Path) -> None:
    """Another session's command looks like one that is not there."""
    sent = await shell.run("send", "tally.add", "--json", number("mine", 7))
    (tmp_path / "other").mkdir()
    other = shell_of(world, tmp_path / "other")
    asked = await other.run("status", json.loads(sent.out)["command_id"])
    assert (asked.code, "Not known yet" in asked.err) == (2, True)
    assert (await other.run("status", "no-such-id")).code == 2


async def test_a_file_of_commands_is_sent_and_awaited(shell: Shell, tmp_path: Path) -> None:
    """1,200 in three requests: each outcome is printed once, in the order of each key."""
    file = tmp_path / "numbers.ndjson"
    file.write_text("\n".join(number(f"f{n % 12}", n) for n in range(1200)), "utf-8")
    sent = await shell.run("send", "tally.add", "--file", str(file), "--wait", "60")
    assert sent.code == 0, sent.err
    assert "1200 commands: 1200 succeeded" in sent.err
    for key in range(12):
        mine = [one["data"] for one in sent.lines if one["data"]["tally_id"] == f"f{key}"]  # type: ignore[index]
        assert sorted(data["last"] for data in mine) == list(range(key, 1200, 12))  # type: ignore[index]
        assert all(data["last"] == 12 * (data["count"] - 1) + key for data in mine)  # type: ignore[index]


async def test_a_file_with_bad_lines_says_which(shell: Shell) -> None:
    """A line that is no JSON stops before anything is sent; one that is refused is named."""
    cut = await shell.run(
        "send", "tally.add", "--file", "-", given='{"tally_id":"x","number":1}\n{'
    )
    assert (cut.code, "line 2 is not valid JSON" in cut.err, cut.out) == (2, True, "")
    mixed = "\n".join(
        json.dumps({"type": "tally.add", "payload": payload})
        for payload in ({"tally_id": "m", "number": 1}, {"tally_id": "m"})
    )
    some = await shell.run("send", "--file", "-", given=mixed)
    assert some.code == 2
    assert "1 refused, 1 succeeded" in some.err
    assert "missing required field `number`" in some.err
    assert [one["status"] for one in some.lines] == ["succeeded"]
    assert (await shell.run("send", "--file", "/no/such/file")).code == 2


async def test_outcomes_can_be_followed(shell: Shell) -> None:
    """What comes is printed as it comes."""
    following = await shell.start("outcomes", "--limit", "0", "--follow")
    assert following.stdout is not None
    heard = asyncio.create_task(following.stdout.readline())
    sent: list[str] = []
    while not heard.done():  # it may not listen yet: each later one is heard all the same
        one = await shell.run("send", "tally.add", "--json", number("follow", 1))
        sent.append(json.loads(one.out)["command_id"])
        await asyncio.wait([heard], timeout=1)
    following.terminate()
    await following.communicate()
    assert json.loads(heard.result())["command_id"] in sent


async def test_no_stream_is_left_to_the_garbage_collector(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    """What is not read to its end is closed: else its end depends on who comes first."""
    left: list[AsyncGenerator[object, None]] = []  # httpx leaves some of its own
    hooks = sys.get_asyncgen_hooks()
    command = json.loads((await shell.run("send", "tally.add", "--json", number("end", 1))).out)
    file = tmp_path / "one.ndjson"
    file.write_text(number("end", 2), "utf-8")
    async with homing_at(world.url, tmp_path / "session.json") as homing:
        sys.set_asyncgen_hooks(finalizer=left.append)
        try:
            await status(homing, command["command_id"], None, follow=True, output="json")
            await send_all(homing, Batch(file, "tally.add", 30.0, "json"))
        finally:
            sys.set_asyncgen_hooks(*hooks)
    assert [one for one in left if "/homing/cli/" in one.ag_code.co_filename] == []


async def test_a_reader_that_has_enough_ends_it_quietly(shell: Shell) -> None:
    """As in `homing outcomes | head -1`: no traceback."""
    for number_ in range(3):
        await shell.run("send", "tally.add", "--json", number("pipe", number_))
    reading, writing = os.pipe()
    os.close(reading)
    process = await shell.start("outcomes", stdout=writing)
    os.close(writing)
    _, said = await process.communicate()
    assert (process.returncode, said) == (141, b"")


async def test_completion_can_be_installed(shell: Shell, tmp_path: Path) -> None:
    """For the shells that people have."""
    shown = await shell.run("--help")
    assert "--install-completion" in shown.out


async def test_first_calls_at_once_begin_one_session(shell: Shell) -> None:
    """Or what one of them sent could not be seen by the others."""
    sent = await asyncio.gather(
        *(shell.run("send", "tally.add", "--json", number("once", 1)) for _ in range(4))
    )
    ids = {json.loads(one.out)["command_id"] for one in sent}
    assert {one["command_id"] for one in (await shell.run("outcomes")).lines} == ids
