"""How many rows a split's file holds, without reading it as samples: for estimates, which may be a few rows off."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.data.forms import ColumnNames


def count_rows(path: Path, columns: ColumnNames = None) -> int:
    """The rows of a split's file; a line break within a field counts as one more.

    Args:
        path: the file, in any form that ``data.samples`` reads.
        columns: the recipe's ``data.columns``; with a list of them there is no header.

    Raises:
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if path.suffix == ".json":
        try:
            return len(json.loads(content))
        except (ValueError, TypeError, RecursionError):
            pass  # an object a line, or damaged, which is told elsewhere
    lines = content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))
    headed = path.suffix == ".tsv" and not isinstance(columns, list | tuple)
    return max(0, lines - headed)
