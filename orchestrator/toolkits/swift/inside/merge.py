"""``swift export``, over what one that was killed has left: ``start.py merge.py ARGUMENTS``, writing ``merged/``.

swift itself refuses a folder that is there, or takes it for done.
"""

from __future__ import annotations

import shutil
import sys

from orchestrator.toolkits.swift.inside import patches


def main() -> None:
    """Merge as the command line says."""
    shutil.rmtree("merged", ignore_errors=True)
    patches.install()
    from swift.pipelines import export_main

    export_main(sys.argv[1:])
