"""``swift export``, over what one that was killed has left: ``swift_merge.py ARGUMENTS``, writing ``merged/``.

swift itself refuses a folder that is there, or takes it for done.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    # this folder must not stay on the path: swift.py in it would be found as the package `swift`
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    shutil.rmtree("merged", ignore_errors=True)
    from swift.pipelines import export_main

    export_main(sys.argv[1:])
