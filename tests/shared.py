"""Where things lie that tests read: the checkout, and the benchmark's own data beside it, which is not part of it."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
# what the benchmark's own scoring script makes of answers that were made up: tests/golden/README.md
GOLDEN = ROOT / "tests" / "golden"
# texts and labels of the 12 tasks, files of the release, published figures: their licences forbid to bring them along
MMLA = ROOT.parent / "shared" / "mmla"
needs_mmla = pytest.mark.skipif(not MMLA.is_dir(), reason="the benchmark's data (../shared/mmla) is not here")
# answers as the script reads them, and its six metrics: tiny sets, and full-size ones with the real labels
GOLDEN_SETS = [
    pytest.param(GOLDEN / "small_sets.json", id="small"),
    pytest.param(MMLA / "golden" / "synthetic_metrics.json", id="full-size", marks=needs_mmla),
]


def _compiles() -> bool:
    """A C++ compiler, and the headers of the Python that a toolkit's environment is made from."""
    headers = sys.version_info[:2] != (3, 11) or Path(sysconfig.get_path("include"), "Python.h").is_file()
    return bool(shutil.which("g++")) and headers


# tests install nothing on the system; .ci/run does, where it may
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="`git` is missing: apt-get install git")
needs_compiler = pytest.mark.skipif(
    not _compiles(), reason="DeepSpeed compiles on a CPU: apt-get install g++ python3.11-dev"
)
