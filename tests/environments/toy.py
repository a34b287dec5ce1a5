"""The environment of a toolkit that is none, and a stand-in for uv that builds it."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.environments.environment import Environment

DEFINITION = """
python: "{python}"
source: {{pypi: toy-kit==1.2}}
check: import json
needs:
  - {{command: no-such-command, package: toy, why: it plays}}
"""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# makes a virtual environment by links, and "installs" by writing the dist-info
UV = f"""#!{sys.executable}
import os, pathlib, sys, time
with open(os.environ["UV_CALLS"], "a") as calls:
    calls.write(" ".join(sys.argv[1:3]) + "\\n")
print(os.environ.get("UV_SAYS", "fine"), flush=True)
if "UV_FAILS" in os.environ and sys.argv[1] == os.environ["UV_FAILS"]:
    sys.exit(2)
if sys.argv[1] == "venv":
    venv = pathlib.Path(sys.argv[-1])
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    (venv / "pyvenv.cfg").write_text("version_info = {PYTHON}.1\\n")
    (venv / "bin" / "python").unlink(missing_ok=True)
    (venv / "bin" / "python").symlink_to({sys.executable!r})
else:
    time.sleep(float(os.environ.get("UV_SECONDS", "0")))
    venv = pathlib.Path(sys.argv[sys.argv.index("--python") + 1]).parent.parent
    (venv / "lib/python3.11/site-packages/toy_kit-1.2.dist-info").mkdir(parents=True, exist_ok=True)
"""


def load(tmp_path: Path) -> Environment:
    return Environment.read("toy", tmp_path / "third_party" / "toy")


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()
