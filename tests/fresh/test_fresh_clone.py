"""The README's first command, in a clone that has nothing but what is committed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180


@pytest.fixture
def clone() -> Iterator[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout with its history, to make a clone of it")
    folder = Path(tempfile.mkdtemp(prefix="homing-fresh-"))
    folder.chmod(0o755)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "homing")], check=True)
    yield folder / "homing"
    shutil.rmtree(folder)


@pytest.mark.timeout(READY_SECONDS + 60)
def test_make_up_in_a_fresh_clone_ends_with_a_page_that_works(clone: Path) -> None:
    """In under three minutes; a command goes through; Ctrl-C leaves nobody behind."""
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    began = time.monotonic()
    up = subprocess.Popen(
        ["make", "up", "ARGS=--port 0 --ports-file ports.json"], cwd=clone, env=environ,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    said: list[str] = []
    assert up.stdout is not None
    try:
        for line in up.stdout:
            said.append(line)
            if line.startswith("http://"):
                break
        assert said, "nothing was said"
        assert said[-1].startswith("http://"), "".join(said)
        assert time.monotonic() - began < READY_SECONDS
        url = said[-1].strip()
        assert json.loads((clone / "ports.json").read_text("utf-8"))["url"] == url
        with urllib.request.urlopen(f"{url}/locations", timeout=5) as page:
            assert b"<main" in page.read()
        payload = json.dumps({"name": "Fresh", "category": "Town"})
        sent = subprocess.run(
            [clone / ".venv/bin/homing", "send", "locations.register", "--json", payload,
             "--url", url], capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        assert json.loads(sent.stdout)["status"] == "succeeded"
    finally:
        family = psutil.Process(up.pid).children(recursive=True)
        os.killpg(up.pid, signal.SIGINT)  # as a terminal does it
        up.communicate(timeout=60)
    _gone, left = psutil.wait_procs(family, timeout=15)
    assert not left
