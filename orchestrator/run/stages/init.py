"""A model from scratch."""

from __future__ import annotations

import json
import shutil
from itertools import chain

from orchestrator.machine.files import atomic_write
from orchestrator.plan import commands
from orchestrator.plan.outputs import InitOutputs
from orchestrator.plan.plan import Stage
from orchestrator.prompts.examples import corpus_split, examples_of
from orchestrator.run.stages.context import Context


def init(context: Context, stage: Stage) -> InitOutputs:
    """Make a model from scratch; its tokenizer is trained on the job's own training text.

    Raises:
        StageError: the data is not what was planned for.
    """
    recipe = context.recipe
    corpus: list[str] = []
    for task in context.job.tasks:
        examples = examples_of(recipe, task, corpus_split(recipe, task), training=True)
        corpus += chain.from_iterable((example.prompt, example.answer) for example in examples)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in corpus)
    atomic_write(stage.folder / "corpus.jsonl", text)
    context.need_unchanged(stage)
    # the toolkit's program leaves alone what is there, which may be damaged: else this stage would be done
    shutil.rmtree(stage.folder / "model", ignore_errors=True)
    context.launch(context.plan.trainer, [commands.init_command(context.plan)], stage.folder, lambda: None)
    return InitOutputs(texts=len(corpus))
