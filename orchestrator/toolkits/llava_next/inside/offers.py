"""Whom a training may report to, by the environment's transformers."""

from __future__ import annotations

from orchestrator.inside.offers import made_with, reports, write


def main() -> None:
    """Write it."""
    write({"made_with": made_with(), "report_to": reports()})
