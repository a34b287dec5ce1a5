"""LLaVA-NeXT's training: its JSON, its trainer's flags, its checkpoints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from orchestrator.machine.files import read_json
from orchestrator.machine.logs import LOG
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import hf_output
from orchestrator.toolkits.base import Command, MeasureInputs, Say, TrainInputs, ignore
from orchestrator.toolkits.formats import turns, write_list
from orchestrator.toolkits.hf_output import OUTPUT
from orchestrator.toolkits.hf_trainer import HfTrainer, length_config
from orchestrator.toolkits.llava_next.arguments import flags, train_arguments
from orchestrator.toolkits.llava_next.inside.model import SYSTEM, question, video_tokens
from orchestrator.toolkits.llava_next.released import LAYOUTS
from orchestrator.toolkits.llava_next.settings import (
    model_problems,
    process_environment,
    vision_tower,
    weights_problems,
)
from orchestrator.toolkits.programs import ON_CPU, torchrun
from orchestrator.toolkits.reporting import single_problems
from orchestrator.toolkits.settings import training_problems

# what LLaVA-Video's configuration says; LLaVA-OneVision's frames have fewer tokens. For a model that is not here yet
GRID = {"mm_patch_merge_type": "spatial_unpad", "mm_newline_position": "grid"}
# of prompt, answer and chat format; the longest label list of the benchmark takes some 200
ROOM = 256
HERE = Path(__file__).parent
# worth having where there are cores to spare; `train.extra` may change it
WORKERS = 4
SCRATCH = "training from scratch"
# the sample's video could not be read (our launcher ends there), or it failed three times: train.py then takes the
# next sample, without an error
REPLACED = re.compile(r"Failed to read video file: (.+)|\[Try #2\] Failed to fetch (sample \d+)")


class Trainer(HfTrainer):
    """LLaVA-NeXT's fine-tuning of its video models on Qwen2, LoRA or full."""

    inside = Path(__file__).parent / "inside"
    starts: Mapping[str, str] = {"train": "train", "merge": "infer"}
    suffix = ".json"
    layouts = LAYOUTS
    weights_problems = staticmethod(weights_problems)

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Part.problems`."""
        found, train = model_problems(recipe, self.environment), recipe.train
        if train is None:
            return found
        if recipe.select.strategy == "best_eval":
            found.append(
                "select.strategy: LLaVA-NeXT has no evaluation to choose by; write last, or dev_accuracy, for which "
                "every checkpoint answers the dev split"
            )
        systems = {recipe.prompt.system, recipe.prompt.train_system}
        if systems - {None, SYSTEM}:
            found.append(
                f'prompt.system: LLaVA-NeXT trains with "{SYSTEM}" whatever one asks for; put the text into '
                "prompt.template"
            )
        if train.finetuning == "lora" and train.lora.target != "all":
            found.append("train.lora.target: LLaVA-NeXT adapts all linear layers of the language model; write all")
        if train.precision == "fp16" and not train.deepspeed:
            found.append("train.precision: LLaVA-NeXT trains in fp16 with DeepSpeed only; write bf16, or set deepspeed")
        if train.precision == "fp32":
            found.append("train.precision: LLaVA-NeXT's vision tower runs in bf16 or fp16 only; write bf16")
        if recipe.resources.processes > 1 and not train.deepspeed:
            found.append("train.deepspeed: LLaVA-NeXT trains in several processes with DeepSpeed; write zero2")
        found += self._too_long(recipe)
        owned = train_arguments(recipe, TrainInputs(model="", data="", device="cpu"), self.environment)
        found += single_problems(train.report_to)
        return found + training_problems(recipe, owned, self.environment, HERE)

    def _too_long(self, recipe: Recipe) -> list[str]:
        train, frames = recipe.train, recipe.video.frames
        if train is None or not recipe.shows_video:
            return []
        folder = Path(recipe.model.path or "").expanduser()
        config = read_json(folder / "config.json") if folder.is_dir() else None
        tokens = video_tokens(config if isinstance(config, dict) else GRID, frames)
        if tokens + ROOM <= train.max_length:
            return []
        return [
            f"{frames} frames are up to {tokens} tokens, and some {ROOM} more are wanted for prompt and answer, but "
            f"train.max_length is {train.max_length}: LLaVA-NeXT would cut the answers off; raise it to "
            f"{tokens + ROOM}, or lower video.frames"
        ]

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Trainer.write_examples`: a JSON list, one record a line. Samples without `video` are text only."""

        def record(example: Example) -> dict[str, Any]:
            video = example.sample.video if modality == "video" else None
            conversation = turns(question(example.prompt, video is not None), example.answer)
            record = {"id": example.sample.id, "conversations": conversation}
            return record if video is None else record | {"video": video}

        return write_list(map(record, examples), file)

    # commands

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Trainer.train`. The toolkit finds the checkpoint to go on from by itself: the newest."""
        train = recipe.training
        arguments: dict[str, Any] = {"dataloader_num_workers": 0}
        if inputs.device == "cuda":  # as in the toolkit's own scripts
            arguments = {"dataloader_num_workers": WORKERS, "gradient_checkpointing": True}
        arguments |= dict(train.extra)
        arguments |= train_arguments(recipe, inputs, self.environment)
        env, resources = process_environment(recipe, inputs.device), recipe.resources
        launcher: tuple[str, ...] = ()
        if train.deepspeed:
            # unlike DeepSpeed's own launcher this one keeps to CUDA_VISIBLE_DEVICES and leaves nothing behind
            launcher = torchrun(resources)
            if inputs.device == "cpu":
                # LOCAL_SIZE: else DeepSpeed counts the CPUs with the program numactl
                env = ON_CPU | {"LOCAL_SIZE": str(resources.processes_per_node)} | env
        line = (*launcher, *self.line("train", *flags(arguments)))
        return self.command(line, env, nodes=resources.nodes, reports=train.report_to)

    def lengths(self, recipe: Recipe, inputs: MeasureInputs) -> Command:
        """See `Trainer.lengths`."""
        tower = vision_tower(recipe)
        config = length_config(recipe, inputs) | ({"parts": {"vision_tower": tower}} if tower else {})
        return self.configured("lengths", config, process_environment(recipe, "cpu"))

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Trainer.merge`."""
        config = {
            "model": model,
            "revision": recipe.model.revision,
            "adapter": adapter,
            "device": "cpu",
            "precision": recipe.inference.precision,
            "temperature": 0,
            "max_new_tokens": 1,
            "parts": {"vision_tower": vision_tower(recipe)},
            "merge_into": "merged",
        }
        return self.configured("infer", config, process_environment(recipe, "cpu"))

    # outputs

    def _this_training(self, folder: Path) -> str:
        """What the log says since the training began, with all its resumptions."""
        try:
            log = (folder / LOG).read_text("utf-8", "replace")
        except OSError:
            return ""
        return log[max(0, log.rfind(SCRATCH)) :]

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Trainer.train_problems`. It takes another sample for one that it cannot read, with exit status 0."""
        log = self._this_training(folder) or log
        found = hf_output.output_problems(folder / OUTPUT, self.weights_problems)
        counts = re.findall(r"Loaded (\d+) samples from", log)
        return found + hf_output.row_problems(counts, rows) + self._replaced(log)

    @staticmethod
    def _replaced(log: str) -> list[str]:
        names = list(dict.fromkeys(video or sample for video, sample in REPLACED.findall(log)))
        if not names:
            return []
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        return [
            f"it could not read the videos of {len(names)} samples and trained on others in their place: {shown}; "
            "mend or remove them, then run the same command again: it trains anew"
        ]

    def resumable(self, folder: Path, say: Say = ignore) -> str | None:
        """See `Trainer.resumable`. A training in which samples were replaced is worth nothing and goes."""
        if self._replaced(self._this_training(folder)):
            shutil.rmtree(folder / OUTPUT, ignore_errors=True)
        return super().resumable(folder, say)
