"""The queries of the boards, as Grafana would send them."""

from __future__ import annotations

import dashboards
from boards.panels import Panel, Query
from support.prometheus import JOB

PANELS = [panel for board in dashboards.BOARDS for panel in board.panels]


def panel(title: str) -> Panel:
    """The one of this title."""
    (found,) = [one for one in PANELS if one.title == title]
    return found


def sent(query: Query, rate_seconds: float, range_seconds: float) -> str:
    """With the variables filled in: one installation, any namespace, these times."""
    values = {
        "$__rate_interval": f"{round(rate_seconds * 1000)}ms",
        "$__range": f"{round(range_seconds * 1000)}ms",
        "$namespace": ".*",
        "$job": JOB,
    }
    expr = query.expr
    for name, value in values.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr
