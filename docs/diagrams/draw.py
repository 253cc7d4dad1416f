"""Draws the diagrams: each `.excalidraw` file here becomes the `.svg` of the same name.

The source is edited at excalidraw.com ("Open", "Save to disk"); `make diagrams` draws it anew. The
hand that draws is steady: every wobble comes from the element's own seed, so that the same source
gives the same bytes. Known are rectangles, ellipses, lines, arrows and text; anything else is an
error, and so is what would be drawn in another way than it is shown there.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MARGIN = 20
CORNER = 12.0
FONTS = "Excalifont, Virgil, 'Comic Neue', 'Segoe Print', 'Comic Sans MS', sans-serif"
MONO = "'Comic Shanns', Cascadia, Menlo, Consolas, monospace"
DASHES = {"solid": "", "dashed": ' stroke-dasharray="8 8"', "dotted": ' stroke-dasharray="1.5 6"'}
WEIGHTS = {1: 1.0, 2: 1.6, 4: 2.8}
Element = dict[str, Any]
Point = tuple[float, float]


class Unknown(Exception):
    """The diagram has something that cannot be drawn here."""


class Hand:
    """Draws lines as a hand does: never quite straight, and twice unless they are broken."""

    def __init__(self, element: Element) -> None:
        self._random = random.Random(element["seed"])  # noqa: S311  # wobbles, guards nothing
        self._much = float(element["roughness"])
        self._times = 2 if element["strokeStyle"] == "solid" else 1

    def stroke(self, start: Point, end: Point) -> str:
        """A line as a path, a little bent."""
        length = math.dist(start, end)
        most = min(1.2, length / 60)
        parts = []
        for _ in range(self._times):
            (x1, y1), (x2, y2) = (self._near(point, most) for point in (start, end))
            along = 0.4 + self._random.random() * 0.2
            bend = self._near((x1 + (x2 - x1) * along, y1 + (y2 - y1) * along), most * 1.6)
            parts.append(f"M{_xy((x1, y1))} Q{_xy(bend)} {_xy((x2, y2))}")
        return " ".join(parts)

    def round(self, points: Sequence[Point]) -> str:
        """A closed curve through points."""
        parts = []
        for _ in range(self._times):
            around = [self._near(point, 0.9) for point in points]
            parts.append(_closed(around))
        return " ".join(parts)

    def _near(self, point: Point, most: float) -> Point:
        x, y = (self._random.uniform(-most, most) * self._much for _ in range(2))
        return point[0] + x, point[1] + y


def svg(source: str) -> str:
    """The diagram as SVG. Raises `Unknown`."""
    document = json.loads(source)
    elements = [one for one in document["elements"] if not one["isDeleted"]]
    left, top, right, bottom = _bounds(elements)
    width, height = right - left, bottom - top
    background = document.get("appState", {}).get("viewBackgroundColor", "#ffffff")
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{_n(left)} {_n(top)} {_n(width)} '
            f'{_n(height)}" width="{_n(width)}" height="{_n(height)}" role="img">'
        ),
        (
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}" rx="8" '
            f'fill="{background}"/>'
        ),
        *(_draw(element) for element in elements),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _draw(element: Element) -> str:
    draw = _KINDS.get(element["type"])
    if draw is None or element["angle"] or element["fillStyle"] != "solid":
        raise Unknown(f"{element['id']}: {element['type']}, turned or not filled solidly")
    return draw(element)


def _rectangle(element: Element) -> str:
    x, y, w, h = (float(element[name]) for name in ("x", "y", "width", "height"))
    radius = min(CORNER, w / 4, h / 4) if element["roundness"] else 0.0
    hand = Hand(element)
    right, bottom = x + w, y + h
    sides = [
        ((x + radius, y), (right - radius, y)),
        ((right, y + radius), (right, bottom - radius)),
        ((right - radius, bottom), (x + radius, bottom)),
        ((x, bottom - radius), (x, y + radius)),
    ]
    path = " ".join(hand.stroke(*side) for side in sides)
    if radius:
        corners = [(right, y), (right, bottom), (x, bottom), (x, y)]
        ends = zip(sides, corners, [*sides[1:], sides[0]], strict=True)
        path += " " + " ".join(f"M{_xy(a[1])} Q{_xy(c)} {_xy(b[0])}" for a, c, b in ends)
    shape = f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="{_n(radius)}"'
    return _filled(element, shape) + _stroked(element, path)


def _ellipse(element: Element) -> str:
    rx, ry = element["width"] / 2, element["height"] / 2
    cx, cy = element["x"] + rx, element["y"] + ry
    turns = [2 * math.pi * step / 14 for step in range(14)]
    points = [(cx + rx * math.cos(turn), cy + ry * math.sin(turn)) for turn in turns]
    shape = f'<ellipse cx="{_n(cx)}" cy="{_n(cy)}" rx="{_n(rx)}" ry="{_n(ry)}"'
    return _filled(element, shape) + _stroked(element, Hand(element).round(points))


def _line(element: Element) -> str:
    points = [(element["x"] + x, element["y"] + y) for x, y in element["points"]]
    hand = Hand(element)
    drawn = _stroked(element, " ".join(hand.stroke(a, b) for a, b in itertools.pairwise(points)))
    for name, tip, before in (
        ("startArrowhead", points[0], points[1]),
        ("endArrowhead", points[-1], points[-2]),
    ):
        if element.get(name):
            head = " ".join(hand.stroke(tip, barb) for barb in _barbs(tip, before))
            drawn += _stroked({**element, "strokeStyle": "solid"}, head)
    return drawn


def _text(element: Element) -> str:
    size = element["fontSize"]
    anchor, at = {"left": ("start", 0.0), "center": ("middle", 0.5), "right": ("end", 1.0)}[
        element["textAlign"]
    ]
    x = element["x"] + element["width"] * at
    step = size * element["lineHeight"]
    fonts = MONO if element["fontFamily"] in (3, 8) else FONTS
    spans = [
        f'<tspan x="{_n(x)}" y="{_n(element["y"] + step * (number + 0.5) + size * 0.34)}">'
        f"{escape(line)}</tspan>"
        for number, line in enumerate(element["text"].split("\n"))
    ]
    return (
        f'<text font-family="{fonts}" font-size="{_n(size)}" fill="{element["strokeColor"]}" '
        f'text-anchor="{anchor}">{"".join(spans)}</text>'
    )


_KINDS: dict[str, Callable[[Element], str]] = {
    "rectangle": _rectangle,
    "ellipse": _ellipse,
    "line": _line,
    "arrow": _line,
    "text": _text,
}


def _filled(element: Element, shape: str) -> str:
    colour = element["backgroundColor"]
    return "" if colour == "transparent" else f'{shape} fill="{colour}"/>'


def _stroked(element: Element, path: str) -> str:
    width = WEIGHTS.get(element["strokeWidth"], element["strokeWidth"])
    return (
        f'<path d="{path}" fill="none" stroke="{element["strokeColor"]}" '
        f'stroke-width="{_n(width)}" stroke-linecap="round"{DASHES[element["strokeStyle"]]}/>'
    )


def _barbs(tip: Point, before: Point) -> list[Point]:
    turn = math.atan2(before[1] - tip[1], before[0] - tip[0])
    size = min(12.0, math.dist(tip, before) / 2)
    return [
        (tip[0] + size * math.cos(turn + by), tip[1] + size * math.sin(turn + by))
        for by in (-0.4, 0.4)
    ]


def _closed(points: Sequence[Point]) -> str:
    """A smooth closed path through points (Catmull-Rom, as cubic curves)."""
    count = len(points)
    path = f"M{_xy(points[0])}"
    for here in range(count):
        before, start, end, after = (points[(here + by) % count] for by in (-1, 0, 1, 2))
        one = (start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6)
        two = (end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6)
        path += f" C{_xy(one)} {_xy(two)} {_xy(end)}"
    return path


def _bounds(elements: Sequence[Element]) -> tuple[float, float, float, float]:
    xs, ys = [], []
    for one in elements:
        points = one.get("points") or [(0, 0), (one["width"], one["height"])]
        xs += [one["x"] + x for x, _ in points]
        ys += [one["y"] + y for _, y in points]
    return min(xs) - MARGIN, min(ys) - MARGIN, max(xs) + MARGIN, max(ys) + MARGIN


def _xy(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def main() -> None:
    """Draw all of them."""
    for source in sorted(HERE.glob("*.excalidraw")):
        source.with_suffix(".svg").write_text(svg(source.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{source.with_suffix('.svg').name}\n")


if __name__ == "__main__":
    main()
