"""The diagrams are what their sources say, and what is drawn can be opened where it was drawn."""

from __future__ import annotations

import json
import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "diagrams"
DRAW: dict[str, Any] = runpy.run_path(str(FOLDER / "draw.py"))
SOURCES = sorted(FOLDER.glob("*.excalidraw"))


@pytest.fixture(params=SOURCES, ids=lambda source: source.stem)
def source(request: pytest.FixtureRequest) -> Path:
    """Each diagram in turn."""
    path: Path = request.param
    return path


def test_the_picture_is_what_the_source_gives(source: Path) -> None:
    """`make diagrams` was run after the last change, and gives the same bytes every time."""
    assert DRAW["svg"](source.read_text("utf-8")) == source.with_suffix(".svg").read_text("utf-8")


def test_the_source_is_an_excalidraw_file(source: Path) -> None:
    """Version 2, unique ids, and for each kind of element the members that it has to have."""
    document = json.loads(source.read_text("utf-8"))
    assert (document["type"], document["version"]) == ("excalidraw", 2)
    ids = [element["id"] for element in document["elements"]]
    assert len(set(ids)) == len(ids)
    for element in document["elements"]:
        assert {"x", "y", "width", "height", "seed", "version", "groupIds"} <= element.keys()
        if element["type"] == "text":
            assert {"text", "fontSize", "fontFamily", "textAlign", "lineHeight"} <= element.keys()
        if element["type"] in ("arrow", "line"):
            assert element["points"][0] == [0, 0]


def test_the_picture_has_every_word_and_a_background(source: Path) -> None:
    """So that it can be read in light and dark."""
    root = ET.fromstring(source.with_suffix(".svg").read_text("utf-8"))
    assert re.fullmatch(r"#[0-9a-f]{6}", root[0].attrib["fill"])
    drawn = [span.text for span in root.iter("{http://www.w3.org/2000/svg}tspan")]
    elements = json.loads(source.read_text("utf-8"))["elements"]
    written = [line for one in elements for line in one.get("text", "").split("\n") if line]
    assert [line for line in drawn if line] == written


def test_what_is_not_known_is_refused() -> None:
    """Rather than left out of the picture."""
    element = {"id": "a", "type": "diamond", "isDeleted": False, "angle": 0, "fillStyle": "solid",
               "x": 0, "y": 0, "width": 10, "height": 10}  # fmt: skip
    with pytest.raises(DRAW["Unknown"]):
        DRAW["svg"](json.dumps({"elements": [element]}))
