"""A Slurm of one file: what squeue says stands in it, scancel takes jobs out, and both are noted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

SQUEUE = """#!/bin/sh
echo "squeue $*" >> {folder}/asked
cat {folder}/queue
"""
SCANCEL = """#!/bin/sh
echo "scancel $*" >> {folder}/asked
for job; do grep -v "^$job|" {folder}/queue > {folder}/left; mv {folder}/left {folder}/queue; done
"""


@dataclass
class Slurm:
    """Where its programs are, and what they were asked."""

    folder: Path

    def says(self, *lines: str) -> None:
        """What squeue says from now on: number|state|reason|start|node|time left."""
        (self.folder / "queue").write_text("".join(f"{line}\n" for line in lines))

    @property
    def asked(self) -> list[str]:
        """The commands, each with its words."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []


def make_slurm(folder: Path, patch: pytest.MonkeyPatch) -> Slurm:
    """Put a squeue and a scancel on the path, with an empty queue."""
    folder.mkdir()
    slurm = Slurm(folder)
    slurm.says()
    for name, text in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return slurm
