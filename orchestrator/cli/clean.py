"""``clean``: shows what nobody needs any more in the folders of runs, asks, and removes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli.table import counted, json_text, tell, wrapped
from orchestrator.errors import listed
from orchestrator.machine.meter import Meter
from orchestrator.recipe.files import RecipeFiles
from orchestrator.run.at_hand import AtHand
from orchestrator.run.clean import Removal, Run, find, remove_all
from orchestrator.run.leftovers import Leftover, Stays

GB, MB = 1e9, 1_000_000
SMALL_BYTES = 5_000_000  # what takes less is 0.00 GB
MOST_NAMED = 3  # jobs that one line names, and small things that have a line each
_INDENT = " " * 11
_UNLED = "What no recipe at hand leads to, and what stopped runs left behind:"
_WEIGHTS = "Trainings whose scores are done:"
_LOST = (
    "With them go their checkpoints and logs. Answers, scores and results stay. But the model could be asked nothing "
    "more, and could not be merged, without training it again, and `report` could not draw how its loss went."
)


def clean_runs(files: RecipeFiles, runs_dir: Path, *, yes: bool, checkpoints: bool, as_json: bool) -> int:
    """Show what nobody needs any more, and remove it where the user wants that; returns the exit status.

    Args:
        files: the recipes whose runs are looked at; all runs, if none.
        runs_dir: where the runs are.
        yes: remove without asking; trainings whose scores are done only with ``checkpoints``.
        checkpoints: also remove these.
        as_json: print JSON, and ask nothing.

    Raises:
        InputError: a recipe is wrong, or a folder cannot be read.
    """
    runs_dir = runs_dir.expanduser()
    at_hand = AtHand.of(files)
    with Meter("looking at the runs"):
        runs = find(at_hand, runs_dir)
    asks = not (as_json or yes) and sys.stdin.isatty() and sys.stdout.isatty()
    unled, weights = (_found(runs, weights=kind) for kind in (False, True))
    if not as_json:
        _print_stays(runs, runs_dir)
    wanted: list[Leftover] = []
    for group, chosen in ((unled, yes), (weights, yes and checkpoints)):
        if group and not as_json:
            _print_group(group, runs_dir)
        if group and (chosen or (asks and _agreed(group))):
            wanted += group
    removal = _remove(at_hand, wanted)
    if as_json:
        tell(json_text(_data(runs, removal)))
    else:
        _print_end(removal, [unled, weights], wanted, runs_dir)
        if not asks:
            _print_how(unled, weights, yes=yes, checkpoints=checkpoints)
    for problem in removal.problems:
        tell(f"error: {problem}", file=sys.stderr)
    return 1 if removal.problems else 0


def _found(runs: Sequence[Run], *, weights: bool) -> list[Leftover]:
    """Leftovers of a kind, the largest first."""
    found = [one for run in runs for one in run.leftovers if one.weights == weights]
    return sorted(found, key=lambda one: (-one.bytes, one.path))


def _size(found: Sequence[Leftover | Stays]) -> float:
    return sum(one.bytes for one in found) / GB


def _print_stays(runs: Sequence[Run], runs_dir: Path) -> None:
    """What is left alone, alike things in one note."""
    for run in runs:
        name = run.folder.name
        if run.note:
            tell(wrapped(f"{name} is left alone: {run.note}", "note: "))
        for why in dict.fromkeys(run.alone.values()):
            jobs = [job for job in run.alone if run.alone[job] == why]
            tell(wrapped(f"{name} {listed(jobs, MOST_NAMED)}: left alone: {why}", "note: "))
        for why in dict.fromkeys(one.why for one in run.stays):
            some = [one for one in run.stays if one.why == why]
            first, more = os.path.relpath(some[0].path, runs_dir), len(some) - 1
            what = f"{first} and {more:,} more stay" if more else f"{first} stays"
            tell(wrapped(f"{what} ({_size(some):.2f} GB): {why}", "note: "))


def _print_group(group: Sequence[Leftover], runs_dir: Path) -> None:
    """A line for each that takes room, below why it is there, which is said once of neighbours; then all others."""
    tell(_WEIGHTS if group[0].weights else _UNLED)
    small = [one for one in group if one.bytes < SMALL_BYTES]
    why = ""
    for one in group[: len(group) - len(small)] if len(small) > MOST_NAMED else group:
        if one.why != why:
            why = one.why
            tell(wrapped(f"{why}:", _INDENT))
        tell(f"{_size([one]):6.2f} GB  {os.path.relpath(one.path, runs_dir)}")
    if len(small) > MOST_NAMED:
        names = ", ".join(os.path.relpath(one.path, runs_dir) for one in small)
        tell(wrapped(f"{len(small):,} small ones (--json tells why): {names}", f"{_size(small):6.2f} GB  "))
    tell(f"{_size(group):6.2f} GB  in all, {counted(len(group), 'item')} in {runs_dir}")
    if group[0].weights:
        tell(wrapped(_LOST, ""))


def _agreed(group: Sequence[Leftover]) -> bool:
    try:
        said = input(f"Remove {counted(len(group), 'item')}, {_size(group):.2f} GB? [y/N] ")
    except EOFError:
        tell()
        return False
    return said.strip().lower() in ("y", "yes")


def _remove(at_hand: AtHand, wanted: Sequence[Leftover]) -> Removal:
    """Remove what is wanted gone, and tell how far that is."""
    total, done = sum(one.bytes for one in wanted), 0

    def say(one: Leftover) -> None:
        nonlocal done
        meter(done // MB, total // MB)
        done += one.bytes

    with Meter("removing, in MB") as meter:
        return remove_all(at_hand, wanted, say)


def _print_end(
    removal: Removal, groups: Sequence[Sequence[Leftover]], wanted: Sequence[Leftover], runs_dir: Path
) -> None:
    if removal.ended:
        tell(wrapped(f"ended what killed runs left running: process {', '.join(removal.ended)}", "note: "))
    for path, why in removal.left.items():
        tell(wrapped(f"{os.path.relpath(path, runs_dir)} stays: {why}", "note: "))
    if wanted:
        tell(f"removed {counted(len(removal.gone), 'item')}: {removal.bytes / GB:.2f} GB are free again")
    else:
        tell("nothing was removed" if any(groups) else f"nothing to remove in {runs_dir}")


def _print_how(unled: Sequence[Leftover], weights: Sequence[Leftover], *, yes: bool, checkpoints: bool) -> None:
    """Which options remove what was listed, where nobody could be asked."""
    if unled and not yes:
        tell("nobody can be asked here: --yes removes what no recipe leads to")
    if weights and not (yes and checkpoints):
        tell("--yes --checkpoints also removes the trainings whose scores are done")


def _data(runs: Sequence[Run], removal: Removal) -> dict[str, Any]:
    items = [
        {"run": run.folder.name, "path": str(one.path), "bytes": one.bytes, "why": one.why, "weights": one.weights}
        | {"removed": one.path in removal.gone}
        for run in runs
        for one in run.leftovers
    ]
    stays = {one.path: one.why for run in runs for one in run.stays}
    stays |= {run.folder: run.note for run in runs if run.note}
    stays |= {run.folder / job: why for run in runs for job, why in run.alone.items()}
    left = [{"path": str(path), "why": why} for path, why in (stays | removal.left).items()]
    errors = [str(problem) for problem in removal.problems]
    return {"items": items, "left": left, "freed_bytes": removal.bytes, "errors": errors}
