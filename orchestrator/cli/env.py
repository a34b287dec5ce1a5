"""``env``: the toolkits' environments."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.table import print_rows, tell, wrapped
from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.environments.gpus import look
from orchestrator.environments.offers import makes
from orchestrator.environments.places import toolkit_names
from orchestrator.environments.surroundings import surroundings
from orchestrator.errors import InputError, OrchestratorError
from orchestrator.machine.gpus import driver, visible_gpus
from orchestrator.machine.meter import Meter


def print_environments(*, as_json: bool) -> None:
    """Print the toolkits' environments and whether they are built, or that what defines one is wrong."""
    rows = []
    for name in toolkit_names():
        try:
            environment = Environment.load(name)
            state = environment.state()
        except InputError as error:
            rows.append({"name": name, "state": "wrong", "version": "", "folder": ""})
            tell(f"note: {error}", file=sys.stderr)
            continue
        version = environment.toolkit_version() if state == "ready" else ""
        rows.append({"name": environment.name, "state": state, "version": version, "folder": str(environment.folder)})
    print_rows(rows, as_json=as_json)


def build_environments(chosen: Sequence[str], *, force: bool, wheels: Path | None = None) -> None:
    """Build some environments; with ``wheels`` from that folder alone, see `build`.

    Raises:
        InputError: a name is unknown, or the folder is not there.
        StageError: a build failed.
    """
    if wheels and not wheels.is_dir():
        raise InputError("there is no such folder of wheels", str(wheels), "docs/offline.md says how it is filled")
    for environment in list(map(Environment.load, chosen)):
        if environment.state() == "ready" and not force:
            tell(f"{environment.name}: up to date")
            continue
        tell(f"{environment.name}: building ({environment.log})", flush=True)
        build(environment, force=force, wheels=wheels)
        tell(f"{environment.name}: ready")


def check_environments(chosen: Sequence[str], *, gpu: bool = False) -> None:
    """Say how this machine is, and import in each built environment what will be used there, or in those named.

    Args:
        chosen: toolkits by name.
        gpu: also have each compute on every GPU that can be seen.

    Raises:
        InputError: a name is unknown.
        OrchestratorError: one of them does not work, or there is no GPU that could be looked at.
    """
    environments, failed = [], []
    for name in chosen or toolkit_names():
        try:
            environments.append(Environment.load(name))
        except InputError as error:
            if chosen:
                raise
            tell(error, file=sys.stderr)  # and the others are checked
            failed.append(name)
    _print_surroundings()
    built = [environment for environment in environments if chosen or environment.state() != "missing"]
    if not built:
        tell("no environment is built; build one with: python -m orchestrator env build NAME")
    if gpu:
        _need_gpus()
    unfit = []
    for environment in built:
        with Meter(f"importing what {environment.name} uses"):
            problem = environment.check()
        tell(f"{environment.name}: {problem or 'works'}", file=sys.stderr if problem else sys.stdout, flush=True)
        if problem:
            failed.append(environment.name)
            continue
        _know_offers(environment)
        if gpu and not _fits_gpus(environment):
            unfit.append(environment.name)
    if failed:
        raise OrchestratorError(f"not working: {', '.join(failed)}; build again with env build --force NAME")
    if unfit:
        raise OrchestratorError(f"not working on the GPUs of this machine: {', '.join(unfit)}")


def _know_offers(environment: Environment) -> None:
    """Have an environment say what its models take, where that is not known of what is installed now."""
    if environment.offers or not makes(environment.code):
        return
    with Meter(f"asking {environment.name} what its models take"):
        problem = environment.make_offers()
    if problem:
        tell(f"    note: what its models take is not known, so `validate` sees less: {problem}")


def _print_surroundings() -> None:
    with Meter("asking the hub"):
        found = list(surroundings())
    width = max(len(one.name) for one in found)
    for one in found:
        tell(wrapped(one.found, f"{one.name:{width}}  "))
        if one.note:
            tell(wrapped(one.note, f"{'':{width}}  note: "))
    tell(flush=True)  # before what is imported, which may say something itself


def _need_gpus() -> None:
    """Say which GPUs there are.

    Raises:
        OrchestratorError: there is none.
    """
    if not visible_gpus():
        hidden = (
            "CUDA_VISIBLE_DEVICES hides all GPUs" if "CUDA_VISIBLE_DEVICES" in os.environ else "no NVIDIA GPU is here"
        )
        raise OrchestratorError(
            f"{hidden}, so nothing was checked on one\n"
            "    run this on the machine with the GPUs; if this is it: see what nvidia-smi says"
        )
    tell(driver() or "nvidia-smi says nothing; the toolkits' own torch is asked", flush=True)


def _fits_gpus(environment: Environment) -> bool:
    with Meter(f"computing on each GPU with the torch of {environment.name}"):
        found = look(environment)
    tell(f"    {found.about}" if found.about else "    torch says nothing of itself")
    for note in found.notes:
        tell(f"    note: {note}")
    for problem in found.problems:
        tell(f"    wrong: {problem}", file=sys.stderr)
    return not found.problems
