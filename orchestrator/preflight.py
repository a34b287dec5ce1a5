"""What would go wrong is said before anything is launched, all of it at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain, product
from pathlib import Path

from orchestrator.benchmark import Task
from orchestrator.data import split_file
from orchestrator.errors import InputError, Problem
from orchestrator.examples import load_prompt, samples_of
from orchestrator.execute import visible_gpus
from orchestrator.plan import Plan
from orchestrator.recipe import Recipe

MANY_VIDEOS = 500  # from here on checking takes long enough to say so
MOST_VIDEOS = 10  # bad ones shown, lest they hide everything else


def device_of(plan: Plan) -> str:
    """Where a plan's processes compute: "cuda" or "cpu"."""
    wanted = plan.recipe.resources.device
    if wanted == "auto":
        return "cuda" if visible_gpus() else "cpu"
    return wanted


def problems_of(plan: Plan, *, everything: bool = False, say: Callable[[str], None] | None = None) -> list[Problem]:
    """All that is wrong with a plan's toolkit settings, data, prompts, videos and machine.

    Args:
        plan: what is to run.
        everything: also look at jobs that are done already.
        say: told what takes a while.
    """
    recipe = plan.recipe
    where = str(recipe.source or recipe.name)
    own = {id(job.recipe): job.recipe for job in plan.jobs}.values()  # most plans have one recipe for all jobs
    found = [Problem(text, where) for text in dict.fromkeys(chain.from_iterable(map(plan.toolkit.problems, own)))]
    if plan.merge and not (recipe.train and recipe.train.finetuning == "lora"):
        found.append(Problem("--merge merges a LoRA adapter, and this recipe trains none", where, "leave --merge out"))
    found += _machine(plan, where)
    found += _model(plan, where)
    videos: dict[str, None] = {}
    try:
        prompt = load_prompt(recipe)
    except InputError as error:
        return found + list(error.problems)
    for job in plan.jobs:
        if job.done and not everything:
            continue
        for task, split in product(job.tasks, _splits(plan)):
            if split == "dev" and not _has_dev(recipe, task):
                if _dev_needed(plan):
                    hint = "add it, or choose select.strategy: last, which needs none"
                    found.append(Problem(f"no dev data for {task.name}", recipe.data.root, hint))
                continue
            try:
                samples = samples_of(recipe, task, split)
                prompt.render(task, text=samples[0].text)
            except InputError as error:
                found += [problem for problem in error.problems if problem not in found]
                continue
            if recipe.modality == "video":
                videos |= dict.fromkeys(sample.video for sample in samples if sample.video)
                missing = sum(sample.video is None for sample in samples)
                if missing:
                    found.append(
                        Problem(
                            f"{missing} samples of {task.name}'s {split} split name no video",
                            where,
                            "fill the file's video column, or set data.modality: text",
                        )
                    )
    if videos:
        from orchestrator.videos import check_videos

        cache = plan.folder.parent / ".cache" / "videos.json"
        if say and len(videos) > MANY_VIDEOS:
            say(f"checking that {len(videos):,} videos can be decoded (new and changed ones)")
        bad = check_videos(videos, cache=cache, workers=os.cpu_count() or 1)
        found += bad[:MOST_VIDEOS]
        if len(bad) > MOST_VIDEOS:
            found.append(Problem(f"and {len(bad) - MOST_VIDEOS:,} more videos; `data check --videos` lists them all"))
    return found


def _splits(plan: Plan) -> list[str]:
    splits = ["train", "dev"] if plan.recipe.train else []
    return list(dict.fromkeys([*splits, plan.recipe.inference.split]))


def _has_dev(recipe: Recipe, task: Task) -> bool:
    return split_file(task, "dev", Path(recipe.data.root)) is not None


def _dev_needed(plan: Plan) -> bool:
    return plan.recipe.select.strategy != "last" or plan.recipe.inference.split == "dev"


def _model(plan: Plan, where: str) -> list[Problem]:
    path = plan.recipe.model.path
    if path is None:
        return []
    folder = Path(path).expanduser()
    if folder.is_dir():
        missing = not (folder / "config.json").is_file()
        hint = "give the folder that holds config.json, the tokenizer and the weights"
        return [Problem(f"model.path: no config.json in {folder}", where, hint)] if missing else []
    if path.startswith(("/", "./", "../", "~")):
        return [
            Problem(
                f"model.path: there is no folder {folder}", where, "give a folder, or a hub id such as Qwen/Qwen2-7B"
            )
        ]
    return []


def _machine(plan: Plan, where: str) -> list[Problem]:
    recipe = plan.recipe
    found = []
    gpus = len(visible_gpus())
    needed = max(recipe.model.gpus, recipe.resources.processes if recipe.train else 1)
    if device_of(plan) == "cuda" and gpus < needed:
        found.append(
            Problem(
                f"{recipe.model.name} needs {needed} GPUs, {gpus} can be seen here",
                where,
                "use a machine with more, lower resources.processes, or set resources.device: cpu for a small model",
            )
        )
    return found
