"""Where the toolkits lie: those of this checkout, and those that installed packages bring.

A toolkit of this checkout is ``third_party/<name>/``, which says how its environment is made, and the package
``orchestrator/toolkits/<name>/``. A package from elsewhere is named by an entry point, and holds both:

    [project.entry-points."mmla_orchestrator.toolkits"]
    <name> = "<package>"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.machine.checkout import ROOT, THIRD_PARTY

GROUP = "mmla_orchestrator.toolkits"
DEFINITION = "environment.yaml"


@dataclass(frozen=True)
class Place:
    """Where one toolkit lies.

    Attributes:
        name: the toolkit's, as recipes name it.
        module: the package with its code, as it is imported.
        code: the folder of that package.
        definition: the folder that says how its environment is made: ``environment.yaml``, lock, ``deepspeed/``.
        built: the folder in which the environment is built.
        package: the installed package that brings it, with its version; of a toolkit of this checkout empty.
    """

    name: str
    module: str
    code: Path
    definition: Path
    built: Path
    package: str = ""


def _shipped(name: str) -> Place:
    folder = THIRD_PARTY / name
    module = f"orchestrator.toolkits.{name}"
    return Place(name, module, ROOT.joinpath(*module.split(".")), folder, folder)


def _installed(entry: EntryPoint) -> Place:
    spec = find_spec(entry.module)
    code = Path(spec.origin).parent if spec and spec.origin else Path(entry.module)
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
    return Place(entry.name, entry.module, code, code, THIRD_PARTY / entry.name, package)


@cache
def places() -> Mapping[str, Place]:
    """All toolkits by name, in alphabetical order.

    Raises:
        InputError: two have the same name.
    """
    found = [_shipped(path.parent.name) for path in THIRD_PARTY.glob(f"*/{DEFINITION}")]
    found += map(_installed, entry_points(group=GROUP))
    known: dict[str, Place] = {}
    for place in sorted(found, key=lambda place: place.name):
        if place.name in known and place != known[place.name]:
            both = f"by {known[place.name].module} and by {place.module}"
            raise InputError(f"the toolkit `{place.name}` is brought twice, {both}", hint="uninstall one of them")
        known[place.name] = place
    return known


def toolkit_names() -> list[str]:
    """The toolkits that can be named, in alphabetical order."""
    return list(places())
