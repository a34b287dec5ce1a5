"""What a user sees while stages run: lines that move on a terminal, quiet plain lines anywhere else."""

from __future__ import annotations

import os
import sys

from orchestrator.cli.plain import View


def make_view() -> View:
    """The view for where the output goes."""
    if not lines_can_move():
        return View()
    from orchestrator.cli.live import LiveView

    return LiveView()


def lines_can_move() -> bool:
    """Whether the output goes to a terminal on which lines can be written over."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
