"""``swift sft``, beneath torchrun or alone: ``start.py train.py ARGUMENTS``."""

from __future__ import annotations

import runpy

from orchestrator.toolkits.swift.inside import patches


def main() -> None:
    """Train as the command line says, by swift's own program."""
    patches.install()
    runpy.run_module("swift.cli.sft", run_name="__main__", alter_sys=True)
