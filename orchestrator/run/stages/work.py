"""Who does the work of each kind of stage. Every stage can be done again after a kill at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.plan.outputs import Kind, Outputs
from orchestrator.plan.plan import Stage
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.convert import convert
from orchestrator.run.stages.infer import infer
from orchestrator.run.stages.init import init
from orchestrator.run.stages.merge import merge
from orchestrator.run.stages.score import score
from orchestrator.run.stages.select import select
from orchestrator.run.stages.train import train

WORK: Mapping[Kind, Callable[[Context, Stage], Outputs]] = {
    "init": init,
    "convert": convert,
    "train": train,
    "select": select,
    "merge": merge,
    "infer": infer,
    "score": score,
}
