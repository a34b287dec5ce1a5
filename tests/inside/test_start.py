"""Programs in a toolkit's environment are started: packages without what their `__init__` does, nothing on the path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.inside import start

# prints what it sees, in the first process and in one that multiprocessing starts anew
PROGRAM = """
import json, multiprocessing, sys
from orchestrator.inside import loop
from brand.new.inside import beside
from brand.new.inside.beside import WORD

prepared = 0

def prepare():
    global prepared
    prepared += 1

def seen():
    return {
        "argv": sys.argv, "path": sys.path, "word": WORD, "prepared": prepared, "name": __name__,
        "loop": loop.__file__, "beside": beside.__name__, "packages": [bool(vars(sys.modules[name]).get("FAILED"))
        for name in ("orchestrator", "orchestrator.inside", "brand", "brand.new", "brand.new.inside")],
    }

def main():
    found = [seen()]
    if "spawn" in sys.argv or "forkserver" in sys.argv:
        with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
            found.append(pool.apply(seen))
    print(json.dumps(found))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Of a toolkit from elsewhere, whose packages cannot be imported without what the environment lacks."""
    folder = tmp_path / "a place" / "brand" / "new" / "inside"
    folder.mkdir(parents=True)
    for above in (folder, folder.parent, folder.parents[1]):
        (above / "__init__.py").write_text("import what_no_environment_has\n")
    (folder / "beside.py").write_text("WORD = 'from beside'\n")
    (folder / "odd.py").write_text(PROGRAM)
    return folder / "odd.py"


def started(program: Path, *words: str) -> list[dict[str, Any]]:
    """In a plain Python, in a folder of its own."""
    folder = program.parents[3] / "stage"
    folder.mkdir(exist_ok=True)
    argv = [sys.executable, "-I", "-S", str(start.HERE), str(program), *words]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("method", ["alone", "spawn", "forkserver"])
def test_a_program_is_started(program: Path, method: str) -> None:
    found = started(program, method, "two words")
    assert len(found) == (1 if method == "alone" else 2)
    for one in found:
        assert one["argv"] == [str(program), method, "two words"]
        assert (one["word"], one["beside"], one["name"]) == (
            "from beside", "brand.new.inside.beside", "brand.new.inside.odd",
        )  # fmt: skip
        assert one["loop"] == str(start.HERE.with_name("loop.py"))
        assert one["prepared"] == 1, "once in each process"
        ours = {start.HERE.parent, *start.HERE.parents, program.parent, *program.parents}
        assert not ours & {Path(path).resolve() for path in one["path"]} - {Path.cwd()}


def test_what_it_prints_and_its_status_are_its_own(program: Path) -> None:
    program.write_text("import sys\ndef main():\n    print('said')\n    sys.exit(3)\n")
    done = subprocess.run([sys.executable, str(start.HERE), str(program)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "")
    program.write_text("def main():\n    raise ValueError('the reason')\n")
    done = subprocess.run([sys.executable, str(start.HERE), str(program)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: the reason"


def test_packages_that_are_there_already_stay_as_they_are() -> None:
    """In the orchestrator itself nothing is made bare."""
    import orchestrator

    before = sys.modules["orchestrator"]
    assert start.module_of(start.HERE.with_name("loop.py")) == "orchestrator.inside.loop"
    assert sys.modules["orchestrator"] is before is orchestrator
