"""Merged weights."""

from __future__ import annotations

from orchestrator.plan import commands
from orchestrator.plan.outputs import MergeOutputs
from orchestrator.plan.plan import Stage
from orchestrator.run.stages.context import Context


def merge(context: Context, stage: Stage) -> MergeOutputs:
    """Write merged weights, as the user asked with --merge.

    Raises:
        StageError: the process failed, or the weights are damaged, or not what was planned for.
    """
    context.need_unchanged(stage)
    context.need_unchanged(stage.input("train"))  # whose model it merges into
    context.need_weights(commands.chosen_checkpoint(stage))
    context.launch(context.plan.trainer, [commands.merge_command(context.plan, stage)], stage.folder, lambda: None)
    return MergeOutputs(merged=str(stage.folder / "merged"))
