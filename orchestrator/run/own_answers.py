"""A run's own answers with their labels, which stand in the data alone: what `score` reads of a run's folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import tasks
from orchestrator.data.samples import drawn, read_split
from orchestrator.errors import InputError, Problem
from orchestrator.machine.files import read_jsonl
from orchestrator.plan.commands import PREDICTIONS, REQUESTS
from orchestrator.plan.outputs import InferOutputs
from orchestrator.plan.record import read as read_stage
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.trust import KEPT
from orchestrator.run import RECIPE
from orchestrator.run.journals import predictions_in
from orchestrator.run.skipped import not_asked
from orchestrator.scores.records import Origin, Record, Records, read_records

COLUMNS = ("task", "id", "label", "answer", "error")
SURE = "logprobs"  # where answers came with probabilities


def read(path: Path) -> Records:
    """The rows of a file with labels and answers, or of a run's answers with the labels that the data has.

    Args:
        path: a file; or a stage's ``predictions.jsonl``, its folder, that of a job or of a whole run. Of several
            inferences of a job the newest counts.

    Raises:
        InputError: it cannot be read, holds no answers, or the data is not what was asked.
    """
    if not path.is_dir() and not (path.name == PREDICTIONS and _run_of(path)):
        return read_records(path)
    notes: list[str] = []
    stages = [path.parent] if path.is_file() else _stages(path, notes)
    run = _run_of(stages[0]) if stages else None
    if run is None:
        hint = f"give a run's folder, or a stage's with {PREDICTIONS} in it; or files with labels and answers"
        raise InputError("holds no answers of a run", str(path), hint)
    recipe = load_recipe(run / RECIPE, trust=KEPT)
    stages.sort(key=lambda stage: [*recipe.tasks, stage.parent.name].index(stage.parent.name))
    rows: list[Record] = []
    for stage in stages:
        rows += [Record(at, fields) for at, fields in enumerate(_labelled(stage, recipe, notes), 1)]
    if not rows:
        raise InputError("no answers yet", str(path), "the run has not come so far: `status` says how far it is")
    known = tasks(Path(recipe.data.root))
    origin = Origin(recipe.name, f"the data in {recipe.data.root}", _split(stages[0], recipe), known, notes)
    more = [SURE] if any(SURE in row.fields for row in rows) else []
    return Records(path, [*COLUMNS, *more], rows, origin=origin)


def _run_of(path: Path) -> Path | None:
    """The folder of the run that a path lies in; ``None`` where it lies in none."""
    above = (path.absolute(), *path.absolute().parents)
    return next((folder for folder in above[:5] if (folder / RECIPE).is_file()), None)


def _stages(folder: Path, notes: list[str]) -> list[Path]:
    """The folders of answers in a folder of a stage, a job or a run: of each job the newest, which is noted."""
    if (folder / PREDICTIONS).is_file():
        return [folder]
    found = [file.parent for pattern in ("infer-*", "*/infer-*") for file in folder.glob(f"{pattern}/{PREDICTIONS}")]
    newest = sorted(found, key=lambda stage: (stage / PREDICTIONS).stat().st_mtime)
    chosen = {stage.parent: stage for stage in newest}
    for job, stage in sorted(chosen.items()):
        if (count := sum(one.parent == job for one in found)) > 1:
            others = "the other" if count == 2 else "another"
            notes.append(f"{job.name} has {count} inferences, of which this is the newest: {stage}; or name {others}")
    return sorted(chosen.values())


def _inputs(stage: Path) -> Mapping[str, Any]:
    """What a stage's key was made of, as far as that is known."""
    record = read_stage(stage) or read_stage(stage.parent)  # answers on dev lie in a folder for each checkpoint
    return record.inputs if record else {}


def _too_long(stage: Path) -> Mapping[str, int]:
    """What was not asked as it is too long, with its tokens."""
    record = read_stage(stage)
    outputs = record.outputs_as(InferOutputs) if record else None
    return outputs.too_long if outputs else {}


def _split(stage: Path, recipe: Recipe) -> str:
    inputs = _inputs(stage)
    return str(inputs.get("split") or ("dev" if inputs.get("stage") == "select" else recipe.inference.split))


def _labelled(stage: Path, recipe: Recipe, notes: list[str]) -> Iterator[dict[str, Any]]:
    """A stage's answers as rows of `COLUMNS`, in the order of the data."""
    inputs, split, too_long = _inputs(stage), _split(stage, recipe), _too_long(stage)
    found = predictions_in(stage)
    asked = [request["id"] for request in read_jsonl(stage / REQUESTS)] if (stage / REQUESTS).is_file() else [*found]
    known = tasks(Path(recipe.data.root))
    names = list(dict.fromkeys(name.partition("/")[0] for name in asked))
    if waiting := [name for name in asked if name not in found]:
        notes.append(f"{len(waiting):,} of {len(asked):,} requests of {stage} have no answer yet: they are left out")
    left = {*found}
    for name in names:
        data, limit, how = recipe.data, inputs.get("limit"), inputs.get("drawn")
        everything = read_split(known.named(name), split, Path(data.root), data.video_root, columns=data.columns)
        # earlier versions took the first rows
        samples = drawn(everything, limit, how["seed"]) if how else everything[:limit]
        unasked, gone = set(asked), set(waiting)
        for sample in samples:
            ident = f"{name}/{sample.id}"
            left.discard(ident)
            if ident not in gone:
                given = found[ident] if ident in unasked else {"error": not_asked(ident, too_long)}
                yield {"task": name, "id": sample.id, "label": sample.label, "answer": given.get("text")} | {
                    "error": given.get("error"),
                    **({SURE: given[SURE]} if SURE in given else {}),
                }
    if left:
        message = f"{len(left):,} answers, the first to {min(left)}, are to samples that the {split} data does not have"
        then = "the score stage's TASK.answers.jsonl.gz has the labels of then"
        hint = f"the data in {recipe.data.root} is not what was asked; {then}"
        raise InputError(Problem(message, str(stage / PREDICTIONS), hint))
