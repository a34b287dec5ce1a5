"""What each kind of stage says of its outputs.

Fields with a default are those that stages of earlier versions did not always have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["init", "convert", "train", "select", "merge", "infer", "score"]


# of all that stands in stage.json: what a later version says there besides stays when it is written again. Planning
# reads few kinds, and most often none
KEPT = ConfigDict(extra="allow", defer_build=True)


class Outputs(BaseModel):
    """Of any stage. ``sealed``: other stages read them, so that what was changed in them afterwards is not believed."""

    model_config = KEPT
    sealed: ClassVar[bool] = False


class InitOutputs(Outputs):
    """A model from scratch. ``texts``: how many its tokenizer learned from."""

    texts: int


class ConvertOutputs(Outputs):
    """Training files.

    Attributes:
        rows: how many a split's file holds, by split.
        videos: the folder of the clips that they name; ``None`` for text.
        bad_videos: how many samples had a bad video, by split and task.
        leaks: how many training samples were left out because another task holds them out.
    """

    sealed = True
    rows: dict[str, int]
    videos: str | None = None
    bad_videos: dict[str, dict[str, int]] = {}
    leaks: int = 0


class TrainOutputs(Outputs):
    """A training.

    Attributes:
        steps: of the optimizer, in all attempts.
        resumed_from: what the last one went on from.
        too_long: the samples that were left out as too long, with their tokens, by split and then ``<task>/<id>``.
    """

    steps: int
    resumed_from: str | None = None
    too_long: dict[str, dict[str, int]] = {}


class SelectOutputs(Outputs):
    """A checkpoint.

    Attributes:
        strategy: of the selection.
        checkpoint: its folder's name.
        step: of the optimizer.
        measure: what is compared, in words; empty where nothing is.
        accuracy_percent: by step; empty where nothing is compared.
        path: the checkpoint's, from the selection's folder.
    """

    sealed = True
    strategy: str
    checkpoint: str
    step: int
    measure: str = ""
    accuracy_percent: dict[int, float] = {}
    path: str


class MergeOutputs(Outputs):
    """Merged weights. ``merged``: their folder."""

    merged: str


class Spending(BaseModel):
    """What the requests to a hosted model came to, of all processes that worked on a stage.

    Attributes:
        requests: how many were sent, repeated ones included.
        prompt_tokens: as the server counted them, or at most where it did not.
        answer_tokens: likewise.
        cached_tokens: those of the prompts that cost less.
        estimated: how many answers the server counted no tokens of.
        lost_requests: how many may have been charged and brought no answer.
        lost_tokens: at most so many tokens of these.
        cost: in USD; ``None`` where no prices are known.
        lost_cost: at most, of those that brought no answer.
    """

    model_config = KEPT

    requests: int
    prompt_tokens: int
    answer_tokens: int
    cached_tokens: int = 0
    estimated: int = 0
    lost_requests: int = 0
    lost_tokens: int = 0
    cost: float | None = None
    lost_cost: float | None = None


class InferOutputs(Outputs):
    """Answers.

    Attributes:
        requests: how many were asked.
        errors: how many of them ended in an error.
        processes: how many shared them.
        bad_videos: how many samples had a bad video, by task.
        too_long: the samples that were not asked as they are too long, with their tokens, by ``<task>/<id>``.
        prompts: `signature.prompt_label` of what was asked, by task.
        checkpoint: the name of the one that answered; ``None`` for the model as it came.
        spent: what a hosted model cost; ``None`` where the model is here.
    """

    sealed = True
    requests: int
    errors: int = 0
    processes: int = 1
    bad_videos: dict[str, int] = {}
    too_long: dict[str, int] = {}
    prompts: dict[str, str] = {}
    checkpoint: str | None = None
    spent: Spending | None = None


class ScoreOutputs(Outputs):
    """Scores. ``rows``: how many tasks were scored."""

    rows: int


OUTPUTS: Mapping[Kind, type[Outputs]] = {
    "init": InitOutputs,
    "convert": ConvertOutputs,
    "train": TrainOutputs,
    "select": SelectOutputs,
    "merge": MergeOutputs,
    "infer": InferOutputs,
    "score": ScoreOutputs,
}
