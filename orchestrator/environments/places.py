"""Where the toolkits lie: those of this checkout, and those that installed packages bring.

A toolkit of this checkout is ``third_party/<name>/``, which says how its environment is made, and the package
``orchestrator/toolkits/<name>/``. A package from elsewhere is named by an entry point, and holds both:

    [project.entry-points."mmla_orchestrator.toolkits"]
    <name> = "<package>"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.machine.checkout import ROOT, THIRD_PARTY

GROUP = "mmla_orchestrator.toolkits"
DEFINITION = "environment.yaml"
NAME = re.compile(r"\w[\w.+-]{0,99}")  # names a folder
PACKAGE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


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
        problem: why it cannot be used, which stops what uses it and nothing else.
    """

    name: str
    module: str
    code: Path
    definition: Path
    built: Path
    package: str = ""
    problem: Problem | None = None


def _shipped(name: str) -> Place:
    folder = THIRD_PARTY / name
    module = f"orchestrator.toolkits.{name}"
    return Place(name, module, ROOT.joinpath(*module.split(".")), folder, folder)


def _installed(entry: EntryPoint) -> Place:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
    code = _folder(entry.value)
    place = Place(entry.name, entry.value, code or Path(entry.value), code or Path(entry.value), THIRD_PARTY, package)
    where = f"the entry point `{entry.name} = {entry.value}`{f' of {package}' if package else ''}"
    if not NAME.fullmatch(entry.name):
        hint = "letters, digits and . _ - + only, for it names a folder"
        return replace(place, problem=Problem(f"`{entry.name}` cannot be a toolkit's name", where, hint))
    if code is None:
        message, hint = f"there is no package `{entry.value}`", "write <toolkit> = <package>; is it installed whole?"
        return replace(place, problem=Problem(message, where, hint))
    return replace(place, built=THIRD_PARTY / entry.name)


def _folder(module: str) -> Path | None:
    """The folder of a package, which is not imported for that; ``None`` where there is none of that name."""
    outermost, *inner = module.split(".")
    spec = find_spec(outermost) if PACKAGE.fullmatch(module) else None
    folders = [Path(above, *inner) for above in (spec and spec.submodule_search_locations) or ()]
    return next((folder for folder in folders if (folder / "__init__.py").is_file()), None)


@cache
def places() -> Mapping[str, Place]:
    """All toolkits by name, in alphabetical order; those that cannot be used, too."""
    found = [_shipped(path.parent.name) for path in THIRD_PARTY.glob(f"*/{DEFINITION}")]
    found += map(_installed, entry_points(group=GROUP))
    known: dict[str, Place] = {}
    for place in sorted(found, key=lambda place: place.name):
        first = known.setdefault(place.name, place)
        if place != first:  # which of them is meant, nobody knows
            both = f"by {first.module} and by {place.module}"
            problem = Problem(f"the toolkit `{place.name}` is brought twice, {both}", hint="uninstall one of them")
            known[place.name] = replace(first, problem=problem)
    return known


def place_of(name: str) -> Place:
    """Where a toolkit lies.

    Raises:
        InputError: there is none of that name, or it cannot be used.
    """
    place = places().get(name)
    if place is None:
        hint = did_you_mean(name, places()) or f"there are {', '.join(places())}"
        raise InputError(f"no toolkit environment `{name}`", hint=hint)
    if place.problem:
        raise InputError([place.problem])
    return place


def toolkit_names() -> list[str]:
    """The toolkits that can be named, in alphabetical order."""
    return list(places())


@cache
def deepspeed_names() -> list[str]:
    """The names of the DeepSpeed configurations that toolkits bring, in alphabetical order."""
    return sorted({path.stem for place in places().values() for path in place.definition.glob("deepspeed/*.json")})
