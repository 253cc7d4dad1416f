"""`homing up`, started as a person starts it, with everything that it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

START_SECONDS = 60.0
END_SECONDS = 40.0


class Started:
    """A `homing` command that was started, what it printed, and all its descendants."""

    def __init__(self, folder: Path, words: Sequence[str], **environ: str) -> None:
        self.printed = Path(tempfile.mkstemp(dir=folder, suffix=".log")[1])
        with self.printed.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "homing", *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environ},
            )
        self.family: set[psutil.Process] = set()

    @property
    def text(self) -> str:
        return self.printed.read_text("utf-8")

    def look(self) -> None:
        """Remember who belongs to it now."""
        if self.process.poll() is None:
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))

    def until(self, condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
        """Wait until `condition` holds; fail with what was printed."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.look()
            assert self.process.poll() is None, f"ended early:\n{self.text}"
            assert time.monotonic() < deadline, f"waited too long:\n{self.text}"
            time.sleep(0.05)
        self.look()

    def send(self, signum: signal.Signals) -> None:
        self.look()
        self.process.send_signal(signum)

    def end(self, signum: signal.Signals = signal.SIGINT) -> int:
        """Send a signal; the exit code. Asserts that nobody of the family is left."""
        self.send(signum)
        code = self.process.wait(END_SECONDS)
        self.assert_nobody_left()
        return code

    def assert_nobody_left(self) -> None:
        _gone, left = psutil.wait_procs(self.family, timeout=15)
        assert not left, self.text

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self.look()
            self.process.kill()
            self.process.wait()
            psutil.wait_procs(self.family, timeout=15)


class Up(Started):
    """`homing up` on free ports, ready."""

    def __init__(self, folder: Path, *words: str, **environ: str) -> None:
        self.data = folder / "data"
        self.ports_file = folder / "ports.json"
        self.ports_file.unlink(missing_ok=True)  # of a killed run
        given = ["up", "--data", str(self.data), "--ports-file", str(self.ports_file)]
        port = () if "--port" in words else ("--port", "0")
        super().__init__(folder, [*given, *port, *words], **environ)

    def ready(self) -> Up:
        self.until(self.ports_file.exists)
        self.until(lambda: self.facts["url"] in self.text.splitlines())
        return self

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.ports_file.read_text("utf-8"))
        return facts

    @property
    def probes(self) -> list[str]:
        internal = self.facts["internal"]
        return [
            f"{url}/readyz" for url in (internal["api"], internal["web"], *internal["reactors"])
        ]


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
