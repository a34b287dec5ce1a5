"""What a hosted model's answers are likely to cost: tokens of text, of frames and of answers, and their prices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from orchestrator.benchmark.model import Prices
from orchestrator.benchmark.task import Task
from orchestrator.data.roots import find_split
from orchestrator.inside import spent
from orchestrator.inside.spent import SPENT, Tokens
from orchestrator.plan.commands import PREDICTIONS
from orchestrator.plan.plan import Job, Stage
from orchestrator.plan.work import Counted, rows_of
from orchestrator.prompts.examples import system_of, wording_of
from orchestrator.recipe.recipe import Recipe

BYTES_A_TOKEN = 4  # of English; a Chinese character has three, and is a token or less
UTTERANCE_BYTES = 100  # where the data is not here
MESSAGE_TOKENS = 8  # of what stands around a message
FRAME_SHAPE = 16 / 9  # width over height, where nobody looked into the clips
ENOUGH = 20  # answers, of which the mean says more than any rule
TILE = 512  # pixels: https://platform.openai.com/docs/guides/images-vision, "Calculating costs"


class Bill(NamedTuple):
    """What is left of a stage is likely to take.

    Attributes:
        requests: how many, if none has to be sent again.
        prompt_tokens: of all of them, frames included.
        frame_tokens: those of frames; ``None`` where the sum was measured, which does not tell them apart.
        answer_tokens: at most, or as measured.
        cost: in USD; ``None`` where the recipe has no prices.
    """

    requests: int
    prompt_tokens: int
    frame_tokens: int | None
    answer_tokens: int
    cost: float | None


def bill_of(job: Job, stage: Stage, counted: Counted) -> Bill | None:
    """The bill of a stage that asks a hosted model; ``None`` of any other, and where the rows are not known.

    Args:
        job: of the stage.
        stage: the one that is to run.
        counted: rows that were counted already.
    """
    recipe = job.recipe
    if stage.kind != "infer" or recipe.model.gpus:
        return None
    total, text = 0, 0.0
    for task in job.tasks:
        rows = rows_of(recipe, task, recipe.inference.split, counted)
        if rows is None:
            return None
        total += rows
        text += rows * _text_tokens(recipe, task, rows, counted)
    asked = max(0, total - _answered(stage.folder))
    if each := _measured(stage.folder):
        return _bill(asked, asked * each[0], None, asked * each[1], recipe.model.prices)
    frames = asked * _frame_tokens(recipe)
    prompts = text * asked / max(total, 1) + frames
    return _bill(asked, prompts, frames, asked * recipe.inference.max_new_tokens, recipe.model.prices)


def _bill(requests: int, prompts: float, frames: int | None, answers: float, prices: Prices | None) -> Bill:
    tokens = Tokens(round(prompts), round(answers))
    cost = tokens.cost(prices.model_dump()) if prices else None
    return Bill(requests, tokens.prompt, frames, tokens.completion, cost)


def _answered(folder: Path) -> int:
    journal = folder / PREDICTIONS
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def _measured(folder: Path) -> tuple[float, float] | None:
    """Mean tokens of a prompt and of an answer, of a stage that was begun and has answers enough."""
    if not (folder / SPENT).is_file():
        return None
    totals, count = spent.read(folder / SPENT), _answered(folder)
    return (totals.paid.prompt / count, totals.paid.completion / count) if count >= ENOUGH else None


def _text_tokens(recipe: Recipe, task: Task, rows: int, counted: Counted) -> float:
    """Mean tokens of a task's prompt without its frames: by the length of its data's rows, all columns included."""
    question = wording_of(recipe, task, recipe.inference.split).prompt.render(task, text="")
    texts = [question, system_of(recipe) or "", *(text for turn in recipe.prompt.history for text in turn)]
    utterance: float = UTTERANCE_BYTES
    if found := find_split(task, recipe.inference.split, Path(recipe.data.root)):
        everything = recipe.model_copy(update={"data": recipe.data.model_copy(update={"limit": None})})
        utterance = found[0].stat().st_size / max(rows_of(everything, task, recipe.inference.split, counted) or rows, 1)
    length = sum(len(text.encode("utf-8", "replace")) for text in texts) + utterance
    return length / BYTES_A_TOKEN + MESSAGE_TOKENS * sum(map(bool, texts))


def _frame_tokens(recipe: Recipe) -> int:
    """Tokens of a request's frames, if the clips are large enough to be scaled down."""
    if not recipe.shows_video:
        return 0
    prices = recipe.model.prices or Prices(input=0, output=0)
    tiles = math.prod(math.ceil(side / TILE) for side in _sides(recipe.video.max_pixels))
    return recipe.video.frames * (prices.picture_tokens + prices.tile_tokens * tiles)


def _sides(pixels: int) -> Iterator[int]:
    width = math.sqrt(pixels * FRAME_SHAPE)
    yield int(width)
    yield int(width / FRAME_SHAPE)
