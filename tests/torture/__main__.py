"""`python -m torture`: run, judge, print. Exits 0 if every promise was kept, 1 if one was not.

With `--judge FOLDER` the history of an earlier run is judged once more, and nothing is run.
"""

from __future__ import annotations

import shutil
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import App, Parameter

from homing.errors import HomingError
from torture import history
from torture.books import gather
from torture.checking import check
from torture.limits import beyond
from torture.measuring import measure
from torture.options import Options
from torture.report import report
from torture.run import run
from torture.stage import NotStarted

GREEN, RED, NOT_RUN = 0, 1, 2
DEFAULTS = Options()
app = App(name="torture", help="Commands through crashes, and whether the books balance.")


@app.default
def torture(
    options: Annotated[Options, Parameter(name="*")] = DEFAULTS, *, judge: Path | None = None
) -> int:
    """Run and judge.

    Parameters
    ----------
    judge
        Only judge the history in this folder.
    """
    if judge is not None:
        return _judge(judge)
    try:
        kinds, folder = options.fault_kinds, _folder(options)
    except (ValueError, OSError) as error:
        say(f"torture: {error}")
        return NOT_RUN
    say(f"seed {options.seed}, {options.duration:g} s at {options.rate:g}/s; history in {folder}")
    say(f"faults: {', '.join(kinds) or 'none'}")
    if options.without:
        say(f"CRIPPLED: the reactors are without {options.without}")
    try:
        uvloop.run(run(options, folder, say))
    except (HomingError, NotStarted) as error:
        say(f"torture: {error}")
        return NOT_RUN
    except Exception:
        traceback.print_exc()
        say("torture: the run itself broke; nothing is proven")
        return NOT_RUN
    finally:
        if not options.keep_data:
            for name in ("nats/jetstream", "postgres/cluster"):
                shutil.rmtree(folder / name, ignore_errors=True)
    return verdict(folder)


def _judge(folder: Path) -> int:
    try:
        return verdict(folder)
    except (OSError, msgspec.DecodeError) as error:
        say(f"torture: {folder} holds no whole history: {error}")
        return NOT_RUN


def verdict(folder: Path) -> int:
    """Judge a history and print the report, which is kept beside it; the exit code."""
    books = gather(history.read(folder / "history.jsonl"))
    measured = measure(books)
    violations = [*check(books), *beyond(measured, books.lease)]
    text = report(books, measured, violations)
    (folder / "report.txt").write_text(text + "\n", "utf-8")
    (folder / "violations.txt").write_text(
        "".join(f"{one.kind}\t{one.at}\t{one.what}\n" for one in violations), "utf-8"
    )
    say("")
    say(text)
    say("")
    if not any(one.accepted for one in books.commands.values()):
        say("torture: nothing was accepted, so that nothing is proven")
        return NOT_RUN
    if not violations and books.phase("end") is None:
        say("torture: the history ends before its run did; nothing is proven")
        return NOT_RUN
    say(f"{len(violations):,} violations" if violations else "every promise was kept")
    return RED if violations else GREEN


def _folder(options: Options) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = options.folder or Path(".homing") / "torture" / f"{options.seed}-{stamp}"
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # Postgres runs under another account, if we are root
    return folder


def say(text: str) -> None:
    """Print at once, for whoever reads a log."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(app())
