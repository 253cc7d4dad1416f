"""Writes the Grafana boards as JSON, from what `boards` says of them: `make dashboards`.

The JSON lies inside the chart, as Helm reads nothing else. Output is the same every time. The data
source is a variable; where the dots of latency panels (exemplars) lead is configured at the data
source, by `exemplarTraceIdDestinations` for the label `trace_id`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards import dependencies, loop, reactors, streams
from boards.panels import Board, Panel, Query

FOLDER = Path(__file__).parents[1] / "deploy" / "helm" / "homing" / "dashboards"
BOARDS = (loop.BOARD, reactors.BOARD, streams.BOARD, dependencies.BOARD)
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS = 24
HEIGHTS = {"lines": 8, "number": 4, "table": 8}
Shown = timeseries.Panel | stat.Panel | table.Panel


def files() -> dict[Path, str]:
    """What should be where."""
    return {FOLDER / f"{board.uid}.json": text(board) for board in BOARDS}


def text(board: Board) -> str:
    """A board as Grafana reads it."""
    made = json.loads(JSONEncoder(sort_keys=True).encode(_board(board).build()))
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


def _board(board: Board) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["homing"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data").type("prometheus"))
        # "All" matches an absent label, too.
        .with_variable(_variable("namespace", "Namespace").all_value(".*"))
        .with_variable(_variable("job", "Installation"))
        .link(
            dashboard.DashboardLink("Homing")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["homing"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    numbers, top = itertools.count(1), 0
    for section in board.sections:
        row = dashboard.Row(section.title).id(next(numbers))
        made.with_row(row.grid_pos(GridPos(h=1, w=COLUMNS, x=0, y=top)))
        top, left, tall = top + 1, 0, 0
        for panel in section.panels:
            if left + panel.width > COLUMNS:
                top, left, tall = top + tall, 0, 0
            height = HEIGHTS[panel.kind]
            place = GridPos(h=height, w=panel.width, x=left, y=top)
            made.with_panel(_panel(panel).id(next(numbers)).grid_pos(place))
            left, tall = left + panel.width, max(tall, height)
        top += tall
    return made


def _variable(name: str, label: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values(homing_build_info, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(VariableOption(text="All", value="$__all"))
    )


def _panel(panel: Panel) -> Shown:
    made = _SHOWN[panel.kind]()
    made.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    for ref, query in zip("ABCDEFGH", panel.queries, strict=False):
        made.with_target(_target(panel, query).ref_id(ref))
    return made


def _target(panel: Panel, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).datasource(SOURCE)
    if query.legend:
        target.legend_format(query.legend)
    if panel.exemplars:
        target.exemplar(True)
    if panel.kind == "table":
        target.format(PromQueryFormat.TABLE)
    return target.range() if panel.kind == "lines" else target.instant()


def _lines() -> timeseries.Panel:
    return (
        timeseries.Panel()
        .fill_opacity(8)
        .min(0)
        .show_points(options.VisibilityMode.AUTO)
        .span_nulls(False)  # a hole is a finding
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(options.TooltipDisplayMode.MULTI)
            .sort(options.SortOrder.DESCENDING)
        )
    )


def _number() -> stat.Panel:
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().graph_mode(options.BigValueGraphMode.NONE).reduce_options(last)


_SHOWN: Mapping[str, Callable[[], Shown]] = {
    "lines": _lines,
    "number": _number,
    "table": table.Panel,
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, written in files().items():
        path.write_text(written, "utf-8")
