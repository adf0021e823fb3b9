"""Writes the dashboard's queries as recording rules, for ``promtool check rules``: ``… FILE``.

Prometheus has no tool that checks a query by itself; its check of rules parses the same language.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deploy.monitoring.panels import ROWS


def expressions() -> list[str]:
    """Every query with Grafana's variables put in."""
    return [
        query.expression.replace("$__rate_interval", "1m").replace("$role", ".*")
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
    ]


def document() -> str:
    """The rules' file; JSON is YAML."""
    rules = [{"record": f"freshet:query_{place}", "expr": one} for place, one in enumerate(expressions())]
    return json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}, indent=1)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
