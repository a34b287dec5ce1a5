"""What a user sees while stages run: lines that move on a terminal, quiet plain lines anywhere else."""

from __future__ import annotations

import os
import sys

from orchestrator.cli.plain import View


def make_view() -> View:
    """The view for where the output goes."""
    if not sys.stdout.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return View()
    from orchestrator.cli.live import LiveView

    return LiveView()
