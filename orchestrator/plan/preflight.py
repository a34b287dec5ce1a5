"""What would go wrong is said before anything is launched, all of it at once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, product
from pathlib import Path

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import Task
from orchestrator.benchmark.thinking import ON
from orchestrator.data.forms import VIDEO_ROOT
from orchestrator.data.leaks import Leaked, id_problems, leaked, shared_ids
from orchestrator.data.roots import has_data, no_data
from orchestrator.data.samples import split_file
from orchestrator.errors import InputError, Problem, capped, did_you_mean
from orchestrator.machine.meter import Meter
from orchestrator.plan.devices import loads_model, machine_problems
from orchestrator.plan.only import splits_of
from orchestrator.plan.plan import Plan
from orchestrator.plan.survey import Check, Note, Rows, Survey
from orchestrator.prompts.examples import wording_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Say, ignore
from orchestrator.toolkits.sound import sound_problem
from orchestrator.toolkits.thinking import thinks

MANY_VIDEOS = 500  # from here on checking takes long enough to say so
MOST_FILES = 5  # of a damaged model
MOST_VIDEOS = 10  # bad ones shown, lest they hide everything else
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def problems_of(
    plan: Plan,
    *,
    everything: bool = False,
    say: Say = ignore,
    rows: Rows | None = None,
    elsewhere: Collection[str] = (),
) -> list[Problem]:
    """All that is wrong with a plan's toolkit settings, data, prompts, videos and machine.

    Args:
        plan: what is to run.
        everything: also look at jobs that are done already.
        say: told what takes a while, and what is odd but no problem.
        rows: pass the same dictionary for several plans over the same data, to read it once.
        elsewhere: what is not looked at, because another machine will have it: "machine", "weights", "videos".
    """
    survey = Survey(plan, everything, {} if rows is None else rows)
    found: list[Problem] = []
    left_out = {ELSEWHERE[what] for what in elsewhere}
    for finding in chain.from_iterable(check(survey) for check in CHECKS if check not in left_out):
        if isinstance(finding, Problem):
            found += [finding] if finding not in found else []
        else:
            say(finding.text)
    return found


def _settings(survey: Survey) -> Iterator[Problem | Note]:
    """What of the recipe the toolkit cannot do."""
    plan, recipe = survey.plan, survey.recipe
    own = {id(job.recipe): job.recipe for job in plan.jobs}.values()  # most plans have one recipe for all jobs
    told = [text for part in plan.parts for text in chain.from_iterable(map(part.problems, own))]
    yield from map(survey.problem, told)
    if (deaf := sound_problem(recipe)) and not any("data.modality" in text for text in told):
        yield survey.problem(*deaf)
    if recipe.video.training and recipe.train and not plan.trainer.training_video:
        message = f"video.training: {recipe.model.toolkit} shows videos in training as in inference"
        yield survey.problem(message, "leave it out")
    if recipe.train and recipe.train.save_minutes and not plan.trainer.saves_between:
        message = f"train.save_minutes: trainings of {recipe.model.toolkit} save at steps only"
        yield survey.problem(message, "leave it out, and set train.save_steps")
    if recipe.prompt.history and not plan.engine.history:
        message = f"prompt.history: the runner of {recipe.model.toolkit} gives no turns before the question"
        yield survey.problem(message, "leave it out, or put them into the prompt template")
    if recipe.model.thinking == ON and not thinks(plan.engine):
        message = f"model.thinking: {recipe.model.toolkit} does not have its models think before they answer"
        yield survey.problem(message, "write thinking: off, or leave it out")
    elif recipe.model.thinking == ON and recipe.train:
        learnt = "the answers that are trained on hold no thoughts, so the model learns to end its thought at once"
        yield Note(f"model.thinking: on: {learnt}; docs/thinking.md")
    if recipe.inference.answers == "labels" and not getattr(plan.engine, "scores_labels", False):
        message = f"inference.answers: {recipe.model.toolkit} does not say how probable each label is"
        yield survey.problem(message, "set it to free")
    if plan.merge and not (recipe.train and recipe.train.finetuning == "lora"):
        yield survey.problem("--merge merges a LoRA adapter, and this recipe trains none", "leave --merge out")


def _machine(survey: Survey) -> Iterator[Problem]:
    """What this machine lacks; `validate`, which looks at everything, says it as a remark."""
    yield from () if survey.everything else machine_problems(survey.plan)


def _weights(survey: Survey) -> Iterator[Problem]:
    """A model path that is a folder, or must be one, and holds no model, or one with damaged or missing files."""
    path = survey.recipe.model.path or ""
    folder = Path(path).expanduser()
    if not path or not survey.recipe.model.gpus:  # a hosted model's is the server's name for it
        return
    if not survey.everything and not loads_model(survey.plan):
        return
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            hint = "give the folder that holds config.json, the tokenizer and the weights"
            yield survey.problem(f"model.path: no config.json in {folder}", hint)
            return
        hint = "download or copy it again: a download that broke off leaves files that end too early"
        damaged = survey.plan.engine.weights_problems(folder)
        shown = capped([survey.problem(f"model.path: {problem} ({folder})") for problem in damaged], "", MOST_FILES)
        if damaged:
            yield from (*shown[:-1], replace(shown[-1], hint=hint))
        return
    near = _similar_folder(folder, survey.recipe)
    where_from = "a relative path is looked for from the recipe, then from here"
    if folder.exists():
        yield survey.problem(f"model.path: `{path}` is a file", "give the folder that holds config.json")
    elif not _HUB_ID.fullmatch(path) or path.startswith("."):
        yield survey.problem(f"model.path: there is no folder `{path}`", f"{near or where_from}; or give a hub id")
    elif near and not survey.recipe.model.revision and path not in {entry.path for entry in models().values()}:
        hint = f"{near} ({where_from}); for a hub id of that name also set model.revision, e.g. to main"
        yield survey.problem(f"model.path: there is no folder `{path}`", hint)


def _similar_folder(folder: Path, recipe: Recipe) -> str:
    """``did you mean ...?`` for a model's folder that is not there: one of a like name, from the recipe or here."""
    for start in (recipe.source.parent if recipe.source else Path(), Path()):
        parent = start / folder.parent
        try:
            names = {path.name: str(path) for path in parent.iterdir() if (path / "config.json").is_file()}
        except OSError:
            continue
        if near := did_you_mean(folder.name, names):
            return next(near.replace(f"`{name}`", f"`{path}`") for name, path in names.items() if f"`{name}`" in near)
    return ""


def _data(survey: Survey) -> Iterator[Problem]:
    """What is wrong with the rows and the prompts of each split that is used; what was read stays in the survey."""
    recipe = survey.recipe
    root = Path(recipe.data.root)
    reading = {job: splits for job in survey.jobs if (splits := splits_of(job))}
    if absent := no_data(list(dict.fromkeys(chain.from_iterable(job.tasks for job in reading))), root):
        yield absent
    for job, splits in reading.items():
        there = [task for task in job.tasks if not absent or has_data(task, root)]
        for task, split in product(there, splits):
            if split == "dev" and split_file(task, "dev", root) is None:
                if recipe.select.strategy != "last" or recipe.inference.split == "dev":
                    hint = "add it, or choose select.strategy: last, which needs none"
                    yield Problem(f"no dev data for {task.name}", recipe.data.root, hint)
                continue
            try:
                samples = survey.read(task, split)
                for training in (True, False) if recipe.train else (False,):
                    wording_of(recipe, task, split, training=training).example(samples[0])
            except InputError as error:
                yield from error.problems
                continue
            survey.samples.setdefault(task, {})[split] = samples
            if recipe.shows_clips:
                survey.clips.setdefault((job.name, split), []).extend(sample.video for sample in samples)
                missing = sum(sample.video is None for sample in samples)
                if missing and recipe.on_bad_video == "fail":
                    yield survey.problem(
                        f"{missing} samples of {task.name}'s {split} split name no video",
                        "fill the file's video column, leave the task out (`--task` names those to run), set "
                        "data.modality: text, or --set data.on_bad_video=text_only",
                    )


def _prompts(survey: Survey) -> Iterator[Problem | Note]:
    """A prompt that is the same whatever the speaker says: a mistake, but with videos perhaps what was meant."""
    recipe = survey.recipe
    asked = [(recipe.inference.split, False), *([("train", True)] if recipe.train else [])]
    used = ((task, *how) for job in survey.jobs for task in job.tasks for how in asked if how[0] in splits_of(job))
    for task, split, training in dict.fromkeys(used):
        wording = wording_of(recipe, task, split, training=training)
        if problem := wording.prompt.unheard(wording.task):
            yield problem if recipe.modality == "text" else Note(f"{problem.where}: {problem.message}")


def _leaks(survey: Survey) -> Iterator[Problem | Note]:
    """Why `it.exclude_leaks` cannot do what it says; tells how much it leaves out."""
    data, chosen = survey.recipe.data, list(survey.samples)
    if not survey.recipe.it.exclude_leaks:
        return
    try:
        found = id_problems(chosen, Path(data.root), data.columns)
        yield from found
        if not found:
            those = leaked(chosen, chosen, Path(data.root), columns=data.columns, text=survey.recipe.it.leak_texts)
            for task, one in those.items():
                yield from _left_out(survey, task, one)
    except InputError:
        return  # the data is wrong, and that was said


def _left_out(survey: Survey, task: Task, those: Leaked) -> Iterator[Note]:
    """How many of a task's training samples `it.exclude_leaks` leaves out, and which it does not."""
    used = {sample.id for sample in survey.samples[task].get("train", ())}
    if leaks := those.ids & used:
        more = len(those.by_text & used)
        shown = f", {more:,} of them by text" if more else ""
        yield Note(f"{task.name}: it.exclude_leaks leaves out {len(leaks):,} of its training samples{shown}")
    if stay := those.told & used:
        what = f"{len(stay):,} of its training samples have the text of one that it, or a task of its source, holds out"
        yield Note(f"{task.name}: {what}; within one data set they stay")


def _shared_ids(survey: Survey) -> Iterator[Note]:
    for task, splits in survey.samples.items():
        yield from (Note(f"{task.name}: {problem.message}") for problem in shared_ids(task, splits))


def _videos(survey: Survey) -> Iterator[Problem | Note]:
    """What is wrong with the videos of each job and split."""
    named = list(dict.fromkeys(clip for clips in survey.clips.values() for clip in clips if clip))
    if len(named) > MANY_VIDEOS:
        yield Note(f"checking what {len(named):,} videos show (new and changed ones)")
    with Meter("videos checked") as meter:
        found = survey.plan.bad_videos.findings(named, meter)
    choice = survey.recipe.on_bad_video
    repairable = [finding.problem for finding in found if finding.repairable]
    if repairable:
        command = repair_command(survey.recipe, list(survey.samples))
        message = f"{len(repairable):,} of {len(named):,} videos are to be repaired first: {command}"
        if choice == "fail":
            yield from capped(repairable, most=MOST_VIDEOS, what="videos like these; `data check --videos` lists all")
            yield survey.problem(message, "or set data.on_bad_video to skip or text_only, which leave them out")
        else:
            yield Note(message)
    if choice == "fail":
        bad = [finding.problem for finding in found if not finding.repairable]
        yield from capped(bad, most=MOST_VIDEOS, what="videos; `data check --videos` lists them all")
        if bad:
            yield survey.problem("some videos are bad", "mend them, or set data.on_bad_video to skip or text_only")
        return
    unusable = {finding.problem.where for finding in found} | {None}
    for (job, split), clips in survey.clips.items():
        count = sum(clip in unusable for clip in clips)
        if count == len(clips) and (choice == "skip" or len(survey.clips) == 1 or len(found) == len(named)):
            instead = "data.on_bad_video: text_only" if choice == "skip" else "data.modality: text"
            hint = f"get the videos, leave the task out, or set {instead}"
            message = f"{job}: not one of {len(clips):,} videos of its {split} split can be used"
            yield survey.problem(message, hint)
        elif count:
            message = f"{job}: {count:,} of {len(clips):,} videos of its {split} split are bad"
            yield Note(f"{message}; data.on_bad_video: {choice}")


def repair_command(recipe: Recipe, tasks: Collection[Task]) -> str:
    """What repairs the videos of some of a recipe's tasks."""
    data = recipe.data
    words = ["python", "-m", "orchestrator", "data", "repair", "--data-root", data.root]
    words += ["--video-root", data.video_root] if data.video_root != VIDEO_ROOT else []
    if data.columns:
        pairs = data.columns.items() if isinstance(data.columns, dict) else ()
        words += ["--columns", ",".join([f"{name}={column}" for name, column in pairs] or data.columns)]
    return shlex.join([*words, *(word for task in tasks for word in ("--task", task.name))])


CHECKS: tuple[Check, ...] = (_settings, _machine, _weights, _prompts, _data, _leaks, _shared_ids, _videos)
ELSEWHERE: dict[str, Check] = {"machine": _machine, "weights": _weights, "videos": _videos}
