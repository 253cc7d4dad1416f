"""The Grafana boards: what lies in the chart is what the generator says, and hides nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import dashboards
from boards.panels import Board, Panel
from support.catalogue import named, unknown

HIDING = re.compile(r"\bor\b|\babsent|vector\(|clamp")
"""What puts a value where there is none."""
PANELS = [(board, panel) for board in dashboards.BOARDS for panel in board.panels]
NAMES = [f"{board.uid}: {panel.title}" for board, panel in PANELS]


def read(board: Board) -> dict[str, Any]:
    """A board as it lies in the chart."""
    path = dashboards.FOLDER / f"{board.uid}.json"
    return dict(json.loads(path.read_text("utf-8")))


def shown(board: Board) -> Iterator[dict[str, Any]]:
    """Its panels, without the rows."""
    return (panel for panel in read(board)["panels"] if panel["type"] != "row")


def test_nothing_generated_has_drifted() -> None:
    """The folder has exactly what the generator writes."""
    wanted = dashboards.files()
    assert set(dashboards.FOLDER.iterdir()) == set(wanted)
    for path, text in wanted.items():
        assert path.read_text("utf-8") == text, f"{path} is out of date: make dashboards"


def test_the_four_boards_have_ids_that_last() -> None:
    """Links and the boards' own history hang on them."""
    assert {read(board)["uid"]: read(board)["title"] for board in dashboards.BOARDS} == {
        "homing-loop": "Homing: the loop",
        "homing-reactors": "Homing: reactors and partitions",
        "homing-streams": "Homing: API and streams",
        "homing-dependencies": "Homing: dependencies",
    }


@pytest.mark.parametrize("board", dashboards.BOARDS, ids=lambda board: board.uid)
def test_a_board_is_bound_to_no_data_source(board: Board) -> None:
    """It is chosen with a variable, as are namespace and installation."""
    made = read(board)
    variables = {one["name"]: one for one in made["templating"]["list"]}
    assert set(variables) == {"datasource", "namespace", "job"}
    assert variables["namespace"]["allValue"] == ".*"
    # All jobs that are Homing's: other processes have a processor and memory, too.
    assert "allValue" not in variables["job"]
    sources = [made for made in _found(made, "datasource") if isinstance(made, dict)]
    assert sources
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in sources)


@pytest.mark.parametrize("board", dashboards.BOARDS, ids=lambda board: board.uid)
def test_panels_neither_overlap_nor_share_an_id(board: Board) -> None:
    """Grafana would move them."""
    places: set[tuple[int, int]] = set()
    panels = read(board)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        mine = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not places & mine, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= mine


@pytest.mark.parametrize("board", dashboards.BOARDS, ids=lambda board: board.uid)
def test_every_panel_says_what_it_shows(board: Board) -> None:
    """A title of its own, a description, a unit; nothing in place of no data."""
    panels = list(shown(board))
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert len(panel["description"]) > 20
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert "noValue" not in panel["fieldConfig"]["defaults"]
        assert not panel["fieldConfig"]["defaults"].get("custom", {}).get("spanNulls")


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=NAMES)
def test_no_query_hides_emptiness_or_leaves_its_installation(board: Board, panel: Panel) -> None:
    """No data is a finding; and another installation's data is a lie."""
    for query in panel.queries:
        assert not HIDING.search(query.expr), query.expr
        selectors = re.findall(r"\b[a-z_]+(?:_[a-z]+)+\{([^}]*)\}", query.expr)
        assert selectors
        assert all('namespace=~"$namespace",job=~"$job"' in one for one in selectors)


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=NAMES)
def test_every_metric_of_a_panel_is_in_the_catalogue(board: Board, panel: Panel) -> None:
    """Or is one that every Python process has."""
    for query in panel.queries:
        assert named(query.expr)
        assert not unknown(query.expr)


def test_latencies_lead_to_traces() -> None:
    """Where times have exemplars, which only buckets do, panels ask for them."""
    timed = re.compile(r"homing_(step|loop|round)_seconds_bucket\b")
    for board in dashboards.BOARDS:
        for panel in shown(board):
            for target in panel["targets"]:
                assert target.get("exemplar", False) is bool(timed.search(target["expr"]))


def _found(value: Any, name: str) -> Iterator[Any]:
    """What stands under a name, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from _found(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _found(inner, name)
