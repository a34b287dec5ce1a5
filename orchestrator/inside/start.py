"""Starts a program of a toolkit's ``inside/``, under the toolkit's own Python: ``start.py PROGRAM.py ARGUMENT...``.

Programs import each other by their full names, ``orchestrator.inside.loop``. The packages above them import what a
toolkit's environment lacks, so they are made known here without what their ``__init__`` does. Nothing else is added to
what the toolkit can import.

A program has a function ``main``. Processes that Python's multiprocessing starts anew pass here, too, and do not call
it; what must be changed in the toolkit in these, too, a program does in a function ``prepare``.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve()
STARTED = "MMLA_PROGRAM"  # the variable by which a process started anew knows it: not all have our arguments


def packages_above(file: Path) -> list[Path]:
    """The folders of the packages that a file lies in, the outermost first."""
    found: list[Path] = []
    folder = file.parent
    while (folder / "__init__.py").exists():
        found.insert(0, folder)
        folder = folder.parent
    return found


def module_of(program: Path) -> str:
    """The name that a program is imported by; the packages above it, and this one, can be imported from then on."""
    name = ""
    for file in (HERE, program):
        name = ""
        for folder in packages_above(file):
            name = f"{name}.{folder.name}" if name else folder.name
            if name not in sys.modules:
                spec = ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [str(folder)]
                sys.modules[name] = module_from_spec(spec)
    return f"{name}.{program.stem}"


def load(program: Path) -> ModuleType:
    """A program's module; what of its toolkit reads clips is given its time (`reading`)."""
    name = module_of(program)
    importlib.import_module(f"{packages_above(HERE)[0].name}.inside.reading").watch(name.rpartition(".")[0])
    return importlib.import_module(name)


if __name__ in ("__main__", "__mp_main__"):
    # this folder must not stay on the path: its modules have names that others may have
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != HERE.parent]
    if __name__ == "__main__":
        del sys.argv[0]
        os.environ[STARTED] = str(Path(sys.argv[0]).resolve())
    program = load(Path(os.environ[STARTED]))
    if hasattr(program, "prepare"):
        program.prepare()
    if __name__ == "__main__":
        program.main()
