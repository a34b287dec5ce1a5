"""A checkpoint answers a split: for selection on dev, and for the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import StageError
from orchestrator.inside import spent
from orchestrator.inside.spent import SPENT
from orchestrator.machine.files import atomic_write
from orchestrator.machine.logs import LOG
from orchestrator.plan import commands
from orchestrator.plan.commands import PREDICTIONS, REQUESTS
from orchestrator.plan.outputs import Spending
from orchestrator.plan.plan import Stage
from orchestrator.prompts.examples import request_lines, samples_of
from orchestrator.run import journals
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.heard import in_its_words, listening
from orchestrator.run.stages.lengths import asked_too_long
from orchestrator.scores.answers import Parser


class Answered(NamedTuple):
    """How many requests were answered, how many of them by an error, and how many processes shared them.

    ``too_long``: the samples that were not asked, with their tokens.
    ``spent``: what a hosted model counted; ``None`` where the model is here.
    """

    requests: int
    errors: int
    processes: int
    too_long: dict[str, int]
    spent: Spending | None = None


def answer(context: Context, stage: Stage, folder: Path, checkpoint: Path | None, split: str) -> Answered:
    """Have a checkpoint answer every request of a split: one process, one model load, for all the job's tasks.

    Raises:
        StageError: a process failed, or the answers do not fit the requests, or every one is an error; or the data is
            not what was planned for, or the checkpoint is damaged.
    """
    every = request_lines(context.recipe, context.job.tasks, split, context.plan.bad_videos.usable)
    too_long = asked_too_long(context, stage, folder, split)
    asked = [(line, request) for line in every if (request := json.loads(line))["id"] not in too_long]
    if too_long and not asked:
        message = f"not one of {len(too_long):,} samples of the {split} split is within train.max_length"
        raise StageError(f"{message}\n    raise it")
    lines, requests = [line for line, _ in asked], [request for _, request in asked]
    atomic_write(folder / REQUESTS, "".join(f"{line}\n" for line in lines))
    context.need_unchanged(stage)
    context.need_weights(checkpoint)
    if (folder / LOG).exists():
        context.end_leftovers(folder)
    wanted = {request["id"] for request in requests}
    # before the number of processes is known: it may be another than last time
    if known := journals.join(folder, wanted, context.say):
        context.say(f"goes on: {known:,} of {len(wanted):,} requests are answered")
    context.goes_on_from(f"{known} answers" if known else "")
    todo = commands.infer_commands(context.plan, stage, folder, context.device, checkpoint, context.gpus)
    progress = listening(folder, journals.JournalProgress(folder, len(lines)), context.say)
    with in_its_words(folder), context.same_videos(request["video"] for request in requests):
        try:
            context.launch(context.plan.engine, todo, folder, progress)
        finally:
            progress()  # what was said last
    journals.join(folder, wanted, context.say)
    given = journals.predictions_in(folder)
    if given.keys() != wanted:
        raise StageError(
            f"{len(wanted):,} requests, but {len(given):,} answers to them in {folder / PREDICTIONS}\n"
            "    run the same command again: it asks the others"
        )
    errors = [prediction["error"] for prediction in given.values() if "error" in prediction]
    # one of several processes that had a single request cannot tell that all fail, and ends well
    if given and len(errors) == len(given):
        raise StageError(f"every request failed; the first error: {errors[0]}\n    whole log: {folder / LOG}")
    return Answered(len(lines), len(errors), len(todo), too_long, _spent(context, folder))


def _spent(context: Context, folder: Path) -> Spending | None:
    """What all processes that worked in a folder spent, which is said, too; ``None`` where nothing is counted."""
    if not (folder / SPENT).exists():
        return None
    totals, prices = spent.read(folder / SPENT), context.recipe.model.prices
    each = prices.model_dump() if prices else None
    context.say(f"spent: {totals.words(each)}")
    cost = {"cost": totals.paid.cost(each), "lost_cost": totals.lost.cost(each)} if each else {}
    return Spending(
        requests=totals.requests,
        prompt_tokens=totals.paid.prompt,
        answer_tokens=totals.paid.completion,
        cached_tokens=totals.paid.cached,
        estimated=totals.estimated,
        lost_requests=totals.unsure + len(totals.open),
        lost_tokens=sum(totals.lost[:2]),
        **cost,
    )


def accuracy_on(context: Context, folder: Path, split: str) -> float:
    """Accuracy in percent of the answers in a folder over all the job's tasks, each utterance counting once."""
    given = journals.predictions_in(folder)
    right = total = 0
    for task in context.job.tasks:
        read = Parser(task.labels).read
        for sample in samples_of(context.recipe, task, split):
            # nothing for a skipped one
            right += read(given.get(f"{task.name}/{sample.id}", {})).label == sample.label
            total += 1
    return 100 * right / total
