"""Writes the Grafana dashboard from the panels: ``python -m deploy.monitoring.dashboard FILE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.monitoring.panels import ROWS, Panel, Row

_GRID_COLUMNS = 24
_PANEL_COLUMNS = 8
_PANEL_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}


def dashboard(rows: Sequence[Row] = ROWS) -> dict[str, Any]:
    """The dashboard in Grafana's JSON model (schema version 39, Grafana 10 and later)."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        panels.append(_row(row, len(panels) + 1, top))
        top += 1
        per_line = _GRID_COLUMNS // _PANEL_COLUMNS
        for place, panel in enumerate(row.panels):
            line, column = divmod(place, per_line)
            panels.append(_panel(panel, len(panels) + 1, column * _PANEL_COLUMNS, top + line * _PANEL_HEIGHT))
        top += -(-len(row.panels) // per_line) * _PANEL_HEIGHT
    return {
        "uid": "freshet",
        "title": "Freshet",
        "tags": ["freshet"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source_variable(), _role_variable()]},
        "panels": panels,
    }


def _row(row: Row, number: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": _GRID_COLUMNS, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom"}}
    if panel.kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"]},
            "graphMode": "area",
            "textMode": "value_and_name",
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": {"x": left, "y": top, "w": _PANEL_COLUMNS, "h": _PANEL_HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "range": True,
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _role_variable() -> dict[str, Any]:
    return {
        "name": "role",
        "label": "Role",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(freshet_ready, role)", "refId": "roles"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def document() -> str:
    """The dashboard's file: JSON with a newline at its end."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
