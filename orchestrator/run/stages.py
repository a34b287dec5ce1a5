"""What each kind of stage does, given its plan. Every stage can be done again after a kill at any moment."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import Task
from orchestrator.data.bad_videos import BadVideos, cache_of
from orchestrator.data.leaks import leaked
from orchestrator.data.samples import Sample, split_file
from orchestrator.errors import StageError
from orchestrator.launch.local import Launcher
from orchestrator.machine.files import atomic_write, read_json, read_jsonl, write_json
from orchestrator.machine.logs import LOG
from orchestrator.plan import commands
from orchestrator.plan.commands import PREDICTIONS, SELECTION
from orchestrator.plan.plan import TRAIN_SPLITS, Job, Plan, Stage
from orchestrator.prompts.examples import Example, corpus_split, examples_of, samples_of, system_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.run import rows as scores
from orchestrator.run.answering import accuracy_on, answer
from orchestrator.toolkits._released import LAYOUTS, write_released
from orchestrator.toolkits.base import Command, Progress, Toolkit


@dataclass(frozen=True)
class Context:
    """What a stage's work needs: the plan it belongs to, who starts processes, where progress goes."""

    plan: Plan
    job: Job
    launcher: Launcher
    device: str
    report: Callable[[Progress], None]

    @property
    def recipe(self) -> Recipe:
        """The recipe as the job runs it."""
        return self.job.recipe

    def launch(
        self, commands: Sequence[Command], folder: Path, progress: Callable[[], Progress | None], gpus: int = 0
    ) -> None:
        """Run a toolkit's commands in a folder, each on so many GPUs (none on a CPU), reporting their progress."""

        def report() -> None:
            now = progress()
            if now is not None:
                self.report(now)

        hours = self.recipe.resources.stage_timeout_hours
        self.launcher.run(
            commands,
            folder,
            bin_folder=self.plan.toolkit.environment.bin,
            gpus=gpus if self.device == "cuda" else 0,
            extensions=self.plan.folder / ".torch_extensions",
            report=report,
            timeout_seconds=hours * 3600 if hours else None,
        )


def init(context: Context, stage: Stage) -> dict[str, Any]:
    """Make a model from scratch; its tokenizer is trained on the job's own training text."""
    recipe = context.recipe
    corpus: list[str] = []
    for task in context.job.tasks:
        examples = examples_of(recipe, task, corpus_split(recipe, task), training=True)
        corpus += chain.from_iterable((example.prompt, example.answer) for example in examples)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in corpus)
    atomic_write(stage.folder / "corpus.jsonl", text)
    context.launch([commands.init_command(context.plan)], stage.folder, lambda: None)
    return {"texts": len(corpus)}


def convert(context: Context, stage: Stage) -> dict[str, Any]:
    """Write the training data in the toolkit's format; the tasks of `it` are mixed with the recipe's seed.

    Under the published protocol in the layout of its files, which the toolkit reads, too.
    """
    recipe, toolkit = context.recipe, context.plan.toolkit
    layout = LAYOUTS[recipe.released.train] if recipe.released else None
    rows: dict[str, int] = {}
    root = Path(recipe.data.root)
    counts: dict[str, Any] = {"bad_videos": {split: {} for split in TRAIN_SPLITS}, "leaks": 0}
    for split in TRAIN_SPLITS:
        tasks = [task for task in context.job.tasks if split_file(task, split, root)]
        if not tasks:
            continue
        examples: Iterable[Example] = chain.from_iterable(_examples(context, task, split, counts) for task in tasks)
        if len(tasks) > 1:
            mixed = list(examples)
            random.Random(recipe.seed).shuffle(mixed)
            examples = mixed
        path = stage.folder / f"{split}{toolkit.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            if layout:
                rows[split] = write_released(layout, examples, file)
            else:
                rows[split] = toolkit.write_examples(examples, file, recipe.modality)
            file.flush()
            os.fsync(file.fileno())
    extra = toolkit.dataset_files(list(rows), recipe.modality, system=system_of(recipe, training=True) is not None)
    for name, text in extra.items():
        atomic_write(stage.folder / name, text)
    return {"rows": rows, "videos": video_folder(recipe), **counts}


def _examples(context: Context, task: Task, split: str, counts: dict[str, Any]) -> Iterator[Example]:
    """A task's examples to train on; what is left out or changed of them is counted."""
    recipe = context.recipe
    bad = BadVideos(recipe, cache_of(context.plan.folder.parent))

    def chosen(samples: Sequence[Sample]) -> Sequence[Sample]:
        if recipe.it.exclude_leaks and split == "train":
            data = recipe.data
            leaks = leaked(task, context.job.tasks, Path(data.root), columns=data.columns)
            kept = [sample for sample in samples if sample.id not in leaks]
            counts["leaks"] += len(samples) - len(kept)
            samples = kept
        counts["bad_videos"][split][task.name] = len(bad.among(samples))
        return bad.mend(samples)

    return examples_of(recipe, task, split, chosen, training=True)


def video_folder(recipe: Recipe) -> str | None:
    """Where a video recipe's clips lie, as its converted files name them."""
    if recipe.modality != "video":
        return None
    return str(Path(recipe.data.video_root.replace("{root}", recipe.data.root)).absolute())


def converted_elsewhere(context: Context, stage: Stage) -> bool:
    """Whether a convert stage was done when the videos lay in another folder."""
    return bool(read_json(stage.folder / "stage.json")["outputs"].get("videos") != video_folder(context.recipe))


def train(context: Context, stage: Stage) -> dict[str, Any]:
    """Train; goes on from the newest complete checkpoint, and believes no exit status without the outputs."""
    toolkit = context.plan.toolkit
    converted = stage.need("convert")
    assert converted is not None
    rows = read_json(converted.folder / "stage.json")["outputs"]["rows"]["train"]
    log = stage.folder / LOG
    if log.exists() and not toolkit.train_problems(stage.folder, log.read_text("utf-8", "replace"), rows):
        # it was stopped between its last step and its exit
        _forget(stage)
        return {"steps": _steps(toolkit, stage.folder), "resumed_from": "its last step"}
    if converted_elsewhere(context, converted):
        # the data moved since: its files name the videos where they were
        state = read_json(converted.folder / "stage.json")
        state["outputs"] = convert(context, converted)
        write_json(converted.folder / "stage.json", state)
    resume = toolkit.resumable(stage.folder)
    command = commands.train_command(context.plan, stage, context.device, resume)
    before = log.stat().st_size if log.exists() else 0
    gpus = context.recipe.resources.processes
    context.launch([command], stage.folder, lambda: toolkit.train_progress(stage.folder), gpus)
    with log.open("rb") as file:
        file.seek(before)
        problems = toolkit.train_problems(stage.folder, file.read().decode("utf-8", "replace"), rows)
    if problems:
        what = "\n".join(f"    - {problem}" for problem in problems)
        raise StageError(f"training ended with status 0, but:\n{what}\n    whole log: {log}")
    _forget(stage)
    return {"steps": _steps(toolkit, stage.folder), "resumed_from": resume}


def _forget(trained: Stage) -> None:
    """Remove what was made from an earlier training of the same key, whose folder is gone: it was another model.

    Whatever settings it was made with: told by the keys in each ``stage.json``, and by when its work began.
    """
    begun = read_json(trained.folder / "stage.json")["attempts"][0]["started_at"]
    for file in trained.folder.parent.glob("*/stage.json"):
        state = read_json(file) or {"inputs": {}, "attempts": []}
        # every stage behind a training names it among its needs
        needs = state["inputs"].get("needs", {}).values()
        if trained.key in needs and any(attempt["started_at"] < begun for attempt in state["attempts"]):
            shutil.rmtree(file.parent, ignore_errors=True)


def _steps(toolkit: Toolkit, folder: Path) -> int:
    progress = toolkit.train_progress(folder)
    return progress.done if progress else toolkit.checkpoints(folder)[-1].step


def select(context: Context, stage: Stage) -> dict[str, Any]:
    """Pick the checkpoint: the first best by the toolkit's own evaluation, the last, or by real answers on dev."""
    trained = stage.need("train")
    assert trained is not None
    toolkit, strategy = context.plan.toolkit, context.recipe.select.strategy
    checkpoints = list(toolkit.checkpoints(trained.folder))
    if not checkpoints:
        raise StageError(
            f"no complete checkpoint in {trained.folder}; it was there when training ended\n"
            "    delete that folder and run the same command again"
        )
    accuracy: dict[int, float] = {}
    if strategy == "best_eval":
        accuracy = {step: 100 * value for step, value in toolkit.evaluations(trained.folder)}
        if not accuracy:
            raise StageError(
                f"the training in {trained.folder} never evaluated: is it shorter than train.save_steps?\n"
                "    lower train.save_steps, or choose select.strategy: last"
            )
        step = max(accuracy, key=lambda at: (accuracy[at], -at))
    elif strategy == "dev_accuracy":
        for checkpoint in checkpoints:
            folder = stage.folder / checkpoint.path.name
            answer(context, stage, folder, checkpoint.path, "dev")
            accuracy[checkpoint.step] = accuracy_on(context, folder, "dev")
        step = max(accuracy, key=lambda at: (accuracy[at], -at))
    else:
        step = checkpoints[-1].step
    chosen = next((checkpoint for checkpoint in checkpoints if checkpoint.step == step), None)
    if chosen is None:
        raise StageError(
            f"step {step} is the best ({accuracy[step]:.2f} %), but its checkpoint was not kept in {trained.folder}\n"
            "    raise train.keep_checkpoints, or choose select.strategy: last"
        )
    selection = {
        "strategy": strategy,
        "checkpoint": chosen.path.name,
        "step": step,
        "accuracy_percent": {at: round(value, 4) for at, value in accuracy.items()},
        "path": os.path.relpath(chosen.path, stage.folder),
    }
    write_json(stage.folder / SELECTION, selection)
    return selection


def infer(context: Context, stage: Stage) -> dict[str, Any]:
    """Answer the requests of the recipe's inference split."""
    checkpoint = commands.chosen_checkpoint(stage)
    split = context.recipe.inference.split
    counts = answer(context, stage, stage.folder, checkpoint, split)
    bad = BadVideos(context.recipe, cache_of(context.plan.folder.parent))
    found = {task.name: len(bad.among(samples_of(context.recipe, task, split))) for task in context.job.tasks}
    return {**counts, "bad_videos": found, "checkpoint": checkpoint.name if checkpoint else None}


def merge(context: Context, stage: Stage) -> dict[str, Any]:
    """Write merged weights, as the user asked with --merge."""
    context.launch([commands.merge_command(context.plan, stage)], stage.folder, lambda: None)
    return {"merged": str(stage.folder / "merged")}


def score(context: Context, stage: Stage) -> dict[str, Any]:
    """Parse the answers, compute the metrics, and keep the results rows; can always be done again."""
    inferred = stage.need("infer")
    assert inferred is not None
    predictions = {p["id"]: p for p in read_jsonl(inferred.folder / PREDICTIONS)}
    recipe, run_id = context.recipe, context.launcher.run_id
    rows = []
    for task in context.job.tasks:
        samples = samples_of(recipe, task, recipe.inference.split)
        rows.append(scores.score_task(recipe, stage, task, samples, predictions, run_id))
    write_json(stage.folder / scores.SCORES, rows)
    return {"rows": len(rows)}


WORK: Mapping[str, Callable[[Context, Stage], dict[str, Any]]] = {
    "init": init,
    "convert": convert,
    "train": train,
    "select": select,
    "merge": merge,
    "infer": infer,
    "score": score,
}
