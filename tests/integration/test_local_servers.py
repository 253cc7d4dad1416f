"""The embedded servers: they start, stop, crash and start again with their data and their port."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import psutil
import pytest

from homing.local import access, ports, wheels
from homing.local.nats import LocalNats
from homing.local.postgres import LocalPostgres
from homing.local.trouble import FolderTrouble, LocalTrouble, MissingWheel, ServerFailed


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that another account can enter, for tests that run as root."""
    path = Path(tempfile.mkdtemp(prefix="homing-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[LocalPostgres]:
    """A running Postgres; the cluster is shared by the tests of this module."""
    postgres = LocalPostgres(folder / "postgres")
    await postgres.start()
    yield postgres
    await postgres.stop()


async def store(server: LocalNats) -> None:
    client = await nats.connect(server.url)
    js = client.jetstream()
    await js.add_stream(name="KEPT", subjects=["kept"])
    await js.publish("kept", b"a promise")
    await client.close()


async def stored(server: LocalNats) -> int:
    client = await nats.connect(server.url)
    info = await client.jetstream().stream_info("KEPT")
    await client.close()
    return int(info.state.messages)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_nats_keeps_port_and_data(tmp_path: Path, end: str) -> None:
    """An acknowledged message is there after a stop and after a crash, at the same URL."""
    server = LocalNats(tmp_path)
    await server.start()
    url, pid = server.url, server.pid
    try:
        await store(server)
        await getattr(server, end)()
        assert not server.running
        assert not psutil.pid_exists(pid)
        await server.start()
        assert (server.url, await stored(server)) == (url, 1)
    finally:
        await server.stop()


async def test_nats_asks_for_its_password(tmp_path: Path) -> None:
    """Nobody gets in without the password that was made for this folder."""
    server = LocalNats(tmp_path)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        await reader.readline()
        writer.write(b'CONNECT {"verbose":true,"pedantic":false}\r\nPING\r\n')
        assert b"Authorization Violation" in await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
        await server.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_postgres_keeps_port_and_data(server: LocalPostgres, end: str) -> None:
    """A committed row is there after a stop and after a crash, at the same URL."""
    url, pid = server.url, server.pid
    await access.execute(url, f"DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT '{end}' AS how;")
    await getattr(server, end)()
    assert not server.running
    assert not psutil.pid_exists(pid)
    await server.start()
    assert server.url == url
    assert (await access.execute(url, "SELECT how FROM t;")).strip() == end


async def test_postgres_recovers_after_sigkill(server: LocalPostgres) -> None:
    """A start after kill -9 of the first process recovers, though its helpers may still linger."""
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await server.start()
    assert (await access.execute(server.url, "SELECT 1;")).strip() == "1"


async def test_a_reused_pid_in_the_lock_file_does_not_stop_postgres(
    server: LocalPostgres, folder: Path
) -> None:
    """A dead server's lock file whose number now belongs to another program is seen through."""
    await server.kill()
    stranger = await asyncio.create_subprocess_exec("/bin/sleep", "60")
    try:
        (folder / "postgres" / "cluster" / "postmaster.pid").write_text(f"{stranger.pid}\n")
        await server.start()
        assert server.running
    finally:
        stranger.kill()
        await stranger.wait()


async def test_roles_have_only_their_rights(server: LocalPostgres) -> None:
    """The migrator may create in the database; the API and the reactor may not."""
    roles = server.roles
    create = "CREATE SCHEMA mine; DROP SCHEMA mine;"
    await access.execute(roles["homing_migrator"], create)
    for role in ("homing_api", "homing_reactor"):
        assert (await access.execute(roles[role], "SELECT current_user;")).strip() == role
        with pytest.raises(access.StatementFailed, match="permission denied"):
            await access.execute(roles[role], create)
        with pytest.raises(access.StatementFailed, match="permission denied"):
            await access.execute(roles[role], "CREATE TABLE public.mine ();")


async def test_more_roles_and_databases_on_demand(server: LocalPostgres) -> None:
    """A test gets a database of its own, and a role may be made twice."""
    await server.ensure_database("other")
    await server.ensure_role("guest")
    await server.ensure_role("guest")
    with pytest.raises(access.StatementFailed, match="CONNECT"):
        await access.execute(server.url_of("guest", "other"), "SELECT 1;")
    said = await access.execute(server.url_of("homing_api", "other"), "SELECT current_database();")
    await server.drop_database("other")
    assert said.strip() == "other"


async def test_postgres_listens_on_loopback_alone(server: LocalPostgres) -> None:
    """No other address and no Unix socket is open."""
    process = psutil.Process(server.pid)
    tcp = {c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert tcp == {"127.0.0.1"}
    assert not [c for c in process.net_connections("unix") if c.laddr]


async def test_passwords_are_private(server: LocalPostgres, folder: Path) -> None:
    """Only the owner reads the file of passwords, and no trace of the first one is left."""
    kept = folder / "postgres" / "passwords.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not (folder / "postgres" / "first-password").exists()
    with pytest.raises(access.StatementFailed, match="password authentication failed"):
        await access.execute(access.url("postgres", "wrong", server.port, "homing"), "SELECT 1;")


async def test_an_interrupted_creation_is_done_again(folder: Path) -> None:
    """What a first start left half made does not hinder the second."""
    half = folder / "half"
    (half / "cluster.new" / "base").mkdir(parents=True)
    postgres = LocalPostgres(half)
    assert postgres.first_time
    await postgres.start()
    await postgres.stop()
    assert not postgres.first_time


async def test_another_version_is_named(server: LocalPostgres, folder: Path) -> None:
    """Data of another major version is refused with both versions in the message."""
    await server.stop()
    version = folder / "postgres" / "cluster" / "PG_VERSION"
    kept = version.read_text()
    version.write_text("12\n")
    try:
        with pytest.raises(FolderTrouble, match="made by Postgres 12, and this is"):
            await server.start()
    finally:
        version.write_text(kept)


@pytest.mark.parametrize("kind", [LocalNats, LocalPostgres])
async def test_a_port_in_use_shows_the_log(
    folder: Path, kind: type[LocalNats] | type[LocalPostgres]
) -> None:
    """A server that cannot listen fails with the words of its own log."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = kind(folder / f"taken-{kind.__name__}", other.getsockname()[1])
        with pytest.raises(ServerFailed, match=r"address already in use|Address already in use"):
            await server.start()
    assert not server.running


async def test_a_missing_wheel_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its wheel a server says how to install it."""
    monkeypatch.setattr(wheels.sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for server in (LocalNats(tmp_path), LocalPostgres(tmp_path / "postgres")):
        with pytest.raises(MissingWheel, match=r"pip install 'homing\[server,embedded\]'"):
            await server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="about being root")
async def test_root_runs_postgres_as_another_account(server: LocalPostgres, folder: Path) -> None:
    """As root, Postgres and its files belong to another account, also after a restart."""
    for _ in range(2):
        owner = psutil.Process(server.pid).uids().real
        assert owner != 0
        assert (folder / "postgres" / "cluster").stat().st_uid == owner
        await server.stop()
        await server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="about being root")
async def test_root_is_told_which_folder_is_closed(tmp_path: Path) -> None:
    """A data folder that the other account cannot enter is named, with the way out."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(LocalTrouble, match=r"cannot enter .*--data DIR"):
        await LocalPostgres(closed / "postgres").start()


SPAWNER = """
import asyncio, pathlib, sys
from homing.local.nats import LocalNats
from homing.local.postgres import LocalPostgres
async def main():
    folder = pathlib.Path(sys.argv[1])
    nats, postgres = LocalNats(folder / "nats"), LocalPostgres(folder / "postgres")
    await nats.start(); await postgres.start()
    print(nats.pid, postgres.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
async def test_servers_die_with_a_killed_parent(folder: Path) -> None:
    """kill -9 of whoever started the servers leaves neither of them, and the folder is usable."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SPAWNER, folder / "orphans"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(word) for word in (await parent.stdout.readline()).split()]
    left = [psutil.Process(pid) for pid in pids]
    left += [child for one in left for child in one.children(recursive=True)]
    parent.kill()
    await parent.wait()
    _gone, alive = await asyncio.to_thread(psutil.wait_procs, left, 15)
    assert not alive
    again = LocalPostgres(folder / "orphans" / "postgres")
    await again.start()
    await again.stop()


def test_free_ports_are_not_those_of_outgoing_connections() -> None:
    """A free port cannot be taken by a client's own connection while its server restarts."""
    low, high = (int(n) for n in _range().split())
    found = ports.free(20)
    assert len(set(found)) == 20
    assert not [port for port in found if low <= port <= high]


def _range() -> str:
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return path.read_text() if path.exists() else "32768 60999"
