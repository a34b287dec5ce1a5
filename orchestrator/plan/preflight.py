"""What would go wrong is said before anything is launched, all of it at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, product
from pathlib import Path

from orchestrator.benchmark.task import Task
from orchestrator.data.bad_videos import cache_of
from orchestrator.data.leaks import leaked, shared_ids, untold
from orchestrator.data.samples import Sample, split_file
from orchestrator.errors import InputError, Problem
from orchestrator.plan.devices import machine_problems
from orchestrator.plan.plan import Plan
from orchestrator.prompts.examples import samples_of, wording_of
from orchestrator.recipe.recipe import Recipe

MANY_VIDEOS = 500  # from here on checking takes long enough to say so
MOST_VIDEOS = 10  # bad ones shown, lest they hide everything else


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
    if recipe.video.training and recipe.train and not plan.toolkit.training_video:
        message = f"video.training: {recipe.model.toolkit} shows videos in training as in inference"
        found.append(Problem(message, where, "leave it out"))
    if recipe.prompt.history and not plan.toolkit.history:
        message = f"prompt.history: the runner of {recipe.model.toolkit} gives no turns before the question"
        found.append(Problem(message, where, "leave it out, or put them into the prompt template"))
    if plan.merge and not (recipe.train and recipe.train.finetuning == "lora"):
        found.append(Problem("--merge merges a LoRA adapter, and this recipe trains none", where, "leave --merge out"))
    found += [] if everything else machine_problems(plan)
    found += _model(plan, where)
    say = say or (lambda _: None)
    read: dict[Task, dict[str, Sequence[Sample]]] = {}
    videos: dict[tuple[str, str], list[str | None]] = {}
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
                for training in (True, False) if recipe.train else (False,):
                    wording_of(recipe, task, split, training=training).example(samples[0])
            except InputError as error:
                found += [problem for problem in error.problems if problem not in found]
                continue
            read.setdefault(task, {})[split] = samples
            if recipe.modality == "video":
                videos.setdefault((job.name, split), []).extend(sample.video for sample in samples)
                missing = sum(sample.video is None for sample in samples)
                if missing and recipe.data.on_bad_video == "fail":
                    found.append(
                        Problem(
                            f"{missing} samples of {task.name}'s {split} split name no video",
                            where,
                            "fill the file's video column, set data.modality: text, or data.on_bad_video: text_only",
                        )
                    )
    found += _leaks(recipe, list(read), say)
    for task, splits in read.items():
        for problem in shared_ids(task, splits):
            say(f"{task.name}: {problem.message}")
    return found + (_videos(plan, videos, where, say) if videos else [])


def _leaks(recipe: Recipe, chosen: Sequence[Task], say: Callable[[str], None]) -> list[Problem]:
    """Why `it.exclude_leaks` cannot do what it says; tells how much it leaves out."""
    if not recipe.it.exclude_leaks:
        return []
    root, columns = Path(recipe.data.root), recipe.data.columns
    try:
        found = untold(chosen, root, columns)
        for task in chosen if not found else ():
            if count := len(leaked(task, chosen, root, columns=columns)):
                say(f"{task.name}: it.exclude_leaks leaves out {count:,} of its training samples")
    except InputError:
        return []  # the data is wrong, and that was said
    return found


def _videos(
    plan: Plan, asked: Mapping[tuple[str, str], Sequence[str | None]], where: str, say: Callable[[str], None]
) -> list[Problem]:
    """What is wrong with the videos, ``None`` for a sample without one, of each job and split."""
    from orchestrator.data.videos import check_videos

    named = list(dict.fromkeys(video for videos in asked.values() for video in videos if video))
    if len(named) > MANY_VIDEOS:
        say(f"checking that {len(named):,} videos can be decoded (new and changed ones)")
    bad = check_videos(named, cache=cache_of(plan.folder.parent), workers=os.cpu_count() or 1)
    choice = plan.recipe.data.on_bad_video
    if choice == "fail":
        found = bad[:MOST_VIDEOS]
        if len(bad) > MOST_VIDEOS:
            rest = len(bad) - MOST_VIDEOS
            found.append(Problem(f"and {rest:,} more videos; `data check --videos` lists them all"))
        if bad:
            hint = "mend them, or set data.on_bad_video to skip or text_only"
            found.append(Problem("some videos are bad", where, hint))
        return found
    wrong = {problem.where for problem in bad} | {None}
    found = []
    for (job, split), videos in asked.items():
        unusable = sum(video in wrong for video in videos)
        if unusable == len(videos) and (choice == "skip" or len(asked) == 1 or len(bad) == len(named)):
            instead = "data.on_bad_video: text_only" if choice == "skip" else "data.modality: text"
            hint = f"get the videos, leave the task out, or set {instead}"
            found.append(
                Problem(f"{job}: not one of {len(videos):,} videos of its {split} split can be used", where, hint)
            )
        elif unusable:
            what = f"{job}: {unusable:,} of {len(videos):,} videos of its {split} split are bad"
            say(f"{what}; data.on_bad_video: {choice}")
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
