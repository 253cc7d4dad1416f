"""`homing up` and `homing infra`: started as a person starts them, ended in every way there is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from homing.local import access
from support.place import open_folder
from support.up import START_SECONDS, Started, Up, answers


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another account can enter, for tests that run as root."""
    path = open_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Up]]:
    """Starts `homing up` in `folder`; what still runs after the test is ended."""
    running: list[Up] = []

    def start(*words: str, **environ: str) -> Up:
        running.append(Up(folder, *words, **environ))
        return running[-1]

    yield start
    for one in running:
        one.clean_up()


def test_everything_is_ready_and_named(up: Up) -> None:
    """When the URL is printed, every process answers its probe, and the ports file names them."""
    assert [url for url in up.probes if not answers(url)] == []
    pids = up.facts["pids"]
    assert all(psutil.pid_exists(pid) for pid in (pids["api"], pids["web"], *pids["reactors"]))
    assert len(pids["reactors"]) == 2
    assert up.ports_file.stat().st_mode & 0o777 == 0o600


def test_the_internal_ports_are_named(up: Up) -> None:
    """Where operators look and what can be scraped, above the URL; each address answers."""
    internal = up.facts["internal"]
    measured = {"api": internal["api"]}
    measured |= {f"reactor-{n}": url for n, url in enumerate(internal["reactors"], 1)}
    expected = [
        f"operators: {internal['web']}/operator",
        f"web: {internal['web']}/metrics",
        *(f"{name}: {url}/metrics, {url}/lag" for name, url in measured.items()),
    ]
    lines = [line.partition("| ")[2] for line in up.text.splitlines()]
    end = lines.index("everything is ready; Ctrl-C stops it")
    assert lines[end - len(expected) : end] == expected
    urls = [url for line in expected for url in line.partition(": ")[2].split(", ")]
    assert [url for url in urls if not answers(url)] == []


def test_everything_listens_on_loopback_alone(up: Up) -> None:
    """No process of ours can be reached from another machine."""
    up.look()
    listening = {
        connection.laddr.ip
        for process in up.family
        if process.is_running()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_second_up_on_the_folder_is_told_who_has_it(up: Up) -> None:
    """It ends at once with the pid and the URL of the first, which goes on."""
    second = subprocess.run(
        [sys.executable, "-m", "homing", "up", "--port", "0", "--data", up.data],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert f"pid {up.process.pid}, which serves {up.facts['url']}" in second.stderr
    assert "Traceback" not in second.stderr
    assert answers(up.probes[0])


@pytest.mark.parametrize("name", ["api", "web", "reactor-1"])
def test_a_killed_process_is_started_again(up: Up, name: str) -> None:
    """Its end is said, it comes back on its ports, and the ports file has its new pid."""

    def pid() -> int:
        pids = up.facts["pids"]
        return int(pids["reactors"][0] if name == "reactor-1" else pids[name])

    before = pid()
    os.kill(before, signal.SIGKILL)
    up.until(lambda: pid() != before)
    up.until(lambda: all(answers(url) for url in up.probes))
    assert f"{name} ended with signal SIGKILL; starting it again" in up.text


@pytest.mark.parametrize("name", ["NATS", "Postgres"])
def test_a_killed_server_is_started_again(up: Up, name: str) -> None:
    """Its end is said, and it comes back on the same port, with its data."""
    url = up.facts[name.lower()]
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    program = {"NATS": "nats-server", "Postgres": "postgres"}[name]
    server = next(
        child for child in psutil.Process(up.process.pid).children() if child.name() == program
    )
    ready = f"{name} is ready on port {port}"
    times = up.text.count(ready)
    server.kill()
    up.until(lambda: up.text.count(ready) > times)
    assert f"{name} ended with signal SIGKILL; starting it again on port {port}" in up.text
    socket.create_connection(("127.0.0.1", port), timeout=2).close()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_everything(start: Callable[..., Up], signum: signal.Signals) -> None:
    """Exit code 0, no process left, nothing had to be killed."""
    up = start().ready()
    assert up.end(signum) == 0
    assert "was killed" not in up.text
    assert "Traceback" not in up.text
    assert up.text.splitlines()[-1].endswith("stopped")


def test_a_signal_while_starting_stops_everything(start: Callable[..., Up]) -> None:
    """Ctrl-C before anything is ready leaves no process and no traceback either."""
    up = start()
    up.until(lambda: "starting Postgres" in up.text)
    assert up.end() == 0
    assert "Traceback" not in up.text


def test_a_second_signal_hurries(start: Callable[..., Up]) -> None:
    """A process that does not stop is killed at the second Ctrl-C, before its grace is over."""
    up = start().ready()
    api = up.facts["pids"]["api"]
    os.kill(api, signal.SIGSTOP)
    up.send(signal.SIGINT)
    up.until(lambda: "stopping" in up.text)
    began = time.monotonic()
    assert up.end() == 0
    assert time.monotonic() - began < 10


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_kill_9_leaves_no_process(start: Callable[..., Up]) -> None:
    """The kernel ends everything that `homing up` started, and the folder can be used again."""
    up = start().ready()
    assert len(up.family) > 6
    assert up.end(signal.SIGKILL) == -signal.SIGKILL
    again = start().ready()
    assert again.end() == 0


async def test_data_stays_unless_fresh(start: Callable[..., Up]) -> None:
    """A stop and a start keep what was stored; --fresh deletes it."""
    up = start().ready()
    await access.execute(up.facts["postgres"], "CREATE TABLE public.kept ();")
    assert up.end() == 0
    kept = "SELECT to_regclass('public.kept') IS NOT NULL;"
    up = start().ready()
    assert (await access.execute(up.facts["postgres"], kept)).strip() == "t"
    assert up.end() == 0
    up = start("--fresh").ready()
    assert (await access.execute(up.facts["postgres"], kept)).strip() == "f"
    assert up.end() == 0


def test_bad_settings_end_the_start(start: Callable[..., Up]) -> None:
    """A setting that no process can use is shown, and nothing is left running."""
    up = start(HOMING_PARTITIONS="none")
    up.process.wait(START_SECONDS)
    assert up.process.returncode == 1
    assert "HOMING_PARTITIONS" in up.text
    assert "migrate ended with exit code 2; its last words are above" in up.text
    assert "Traceback" not in up.text


@pytest.mark.parametrize("option", ["--port", "--api-port", "--internal-port"])
def test_a_port_in_use_is_named_with_its_option(start: Callable[..., Up], option: str) -> None:
    """Before anything is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        up = start(option, str(port))
        assert up.process.wait(START_SECONDS) == 1
    assert f"A port is in use: {port} for " in up.text
    assert option in up.text
    assert "starting" not in up.text


def test_a_folder_that_is_not_ours_is_left_alone(start: Callable[..., Up], folder: Path) -> None:
    """Not even --fresh touches it."""
    letter = folder / "data" / "postgres" / "letter.txt"
    letter.parent.mkdir(parents=True)
    letter.write_text("not Homing's")
    up = start("--fresh")
    assert up.process.wait(START_SECONDS) == 1
    assert "files that are not Homing's" in up.text
    assert letter.read_text() == "not Homing's"


def test_infra_tells_the_other_terminals(folder: Path) -> None:
    """NATS and Postgres run, and the files it wrote give a shell what the processes need."""
    data = folder / "data"
    infra = Started(folder, ["infra", "--data", str(data)])
    try:
        infra.until(lambda: "export HOMING_API_URL=" in infra.text)
        for name, wanted in {"env": "homing_migrator", "env.reactor": "homing_reactor"}.items():
            read = f". '{data}/{name}' && echo $HOMING_POSTGRES_URL $HOMING_NATS_URL"
            said = subprocess.check_output(["/bin/sh", "-c", read], text=True)
            assert said.startswith(f"postgresql://{wanted}:")
            assert "nats://" in said
            assert (data / name).stat().st_mode & 0o777 == 0o600
        assert infra.end() == 0
    finally:
        infra.clean_up()
