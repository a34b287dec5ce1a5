"""``swift sft``, beneath torchrun or alone: ``start.py train.py ARGUMENTS``."""

from __future__ import annotations

import runpy

from orchestrator.toolkits.swift.inside import patches

prepare = patches.install  # in processes that load data, too, however swift starts them


def main() -> None:
    """Train as the command line says, by swift's own program."""
    # ours stays the main module: from that, processes are started anew
    runpy.run_module("swift.cli.sft", run_name="__main__")
