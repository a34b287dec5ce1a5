"""ms-swift 4.6: messages in JSONL, `swift sft` with its arguments on the command line, our runner around its engine.

A recipe's `model.template` is swift's model type (its ``--model_type``, e.g. ``minicpmv2_6``): swift then knows how to
load the model, and picks the chat template that belongs to it. Some types have several and swift picks by the model's
published name; for a model that is called otherwise, the template stands behind a slash: ``qwen2_vl/qwen2_vl``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from orchestrator.machine.files import read_json
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.runners.utterance import neutraliser
from orchestrator.toolkits import _hf_trainer as hf_trainer
from orchestrator.toolkits._common import (
    ON_CPU,
    RUNNERS,
    TrainerToolkit,
    attention_problems,
    parts_problems,
    process_environment,
    refused_options,
    template_problems,
    torchrun,
)
from orchestrator.toolkits._hf_trainer import OUTPUT
from orchestrator.toolkits._swift_output import broken, history, progress
from orchestrator.toolkits._swift_training import (
    ACCURACY,
    PLUGIN,
    command_line,
    loader_defaults,
    model_type,
    train_arguments,
)
from orchestrator.toolkits.base import Command, Progress, TrainInputs

CACHE = "cache"
# what swift says when it goes on without a sample (dataset/utils.py, dataset/preprocessor/core.py)
REPLACED = re.compile("another piece of data will be randomly selected|the data will be deleted")
# set in a user's shell, these would change what swift does with the same command
UNSET = (
    *("RAY_SWIFT_ARGS", "SWIFT_SINGLE_DEVICE_MODE", "SWIFT_CONFIG_FILE", "ROOT_IMAGE_DIR", "RANDOM_DATASET_RESPONSE"),
    *("FPS", "MAX_PIXELS", "MIN_PIXELS", "MAX_SLICE_NUMS", "VIDEO_TOTAL_PIXELS"),
    *("FORCE_QWENVL_VIDEO_READER", "QWENVL_BBOX_FORMAT", "USE_AUDIO_IN_VIDEO"),
)
# options under which the rows or the prompts of training are no longer those that were converted, or that inference
# would not know of
_UNKNOWN = "inference would not know of it"
REFUSED = {
    "use_chat_template": _UNKNOWN,
    "agent_template": _UNKNOWN,
    "response_prefix": _UNKNOWN,
    "new_special_tokens": _UNKNOWN,
    "model_kwargs": "use resources.env, which inference knows of",
    "max_pixels": "use video.max_pixels, which inference knows of",
    "system": "use prompt.system, which inference knows of",
    "packing": "several samples in one sequence would not be counted as the samples they are; leave it out",
    "split_dataset_ratio": "the dev split is given",
    "streaming": "the number of samples would not be known",
    "predict_with_generate": "evaluation would measure something else; use select.strategy: dev_accuracy",
    "resume_only_model": "a stopped training would not go on where it was",
}
# what its families of models call the number of frames: MiniCPM-V, Qwen-VL (twice), LLaVA, Ovis, InternVL
FRAMES = ("MAX_NUM_FRAMES", "FPS_MIN_FRAMES", "FPS_MAX_FRAMES", "NUM_FRAMES", "NFRAMES", "VIDEO_SEGMENTS")
# variables that a recipe sets otherwise: in resources.env the results would not say so
OWNED = {**dict.fromkeys(FRAMES, "use video.frames"), "VIDEO_MAX_PIXELS": "use video.max_pixels"}
# by the beginning of the model type: MiniCPM-V has 64 tokens a frame, with <image>, </image> and a line break 67
MINICPM, MINICPM_TOKENS = "minicpmv", 67
# Qwen2-VL, Qwen2.5-VL: a token is 2 x 2 patches of 14 x 14 pixels of two frames (in Qwen3-VL 16 x 16)
QWEN, QWEN_PIXELS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), 28 * 28
ROOM = 128  # tokens of the shortest prompts with their answers
REMOTE_CODE = ("minicpmv2_5", "minicpmv2_6", "minicpmv4", "minicpmv4_5", "minicpmo", "internlm2", "internlm3")


neutralise = neutraliser("swift")


class Swift(TrainerToolkit):
    """ms-swift, for MiniCPM-V and whatever else it knows."""

    name = "swift"
    history = True
    plugins = ("swift_plugin",)
    suffix = ".jsonl"

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Toolkit.problems`."""
        model, train = recipe.model, recipe.train
        found = []
        if model.init is not None:
            found.append("ms-swift makes no model from scratch: give model.path")
        if model.template is None:
            found.append("ms-swift needs the model's type as `template`, e.g. template: minicpmv2_6")
        else:
            kind, _, template = model.template.partition("/")
            found += template_problems(kind, self.environment.names("model_type"), "model type")
            found += template_problems(template, self.environment.names("template")) if template else []
        found += parts_problems(model.parts, (), "ms-swift")
        if not model.trust_remote_code and (why := _own_code(recipe)):
            found.append(f"{why}, which swift would run: set model.trust_remote_code: true if you trust it")
        if recipe.modality == "video":
            found += _video_problems(recipe)
        found += attention_problems(recipe, self.environment)
        found += [f"resources.env.{name}: {use}" for name, use in OWNED.items() if name in recipe.resources.env]
        if train:
            owned = train_arguments(recipe, TrainInputs(model="", data="", device="cpu"), self.environment)
            found += refused_options(recipe, owned, REFUSED, self.environment)
            if recipe.resources.device == "cpu" and (train.deepspeed or "").startswith("zero3"):
                found.append("train.deepspeed: swift loads no model under ZeRO-3 on a CPU; use zero2")
        return found

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Toolkit.write_examples`: a JSON object with messages and videos a line."""
        encode = json.JSONEncoder(ensure_ascii=False).encode
        count = 0
        for example in examples:
            video = example.sample.video if modality == "video" else None
            prompt = neutralise(example.prompt)
            messages = [
                {"role": "user", "content": f"<video>{prompt}" if video else prompt},
                {"role": "assistant", "content": example.answer},
            ]
            if example.system is not None:
                messages.insert(0, {"role": "system", "content": example.system})
            record: dict[str, Any] = {"messages": messages}
            if modality == "video":
                record["videos"] = [video] if video else []
            file.write(encode(record) + "\n")
            count += 1
        return count

    # commands

    def _environment(self, recipe: Recipe, device: str) -> dict[str, str]:
        env = {"USE_HF": "1", "MMLA_TRUST_REMOTE_CODE": str(int(recipe.model.trust_remote_code))}
        if recipe.modality == "video":
            pixels = recipe.video.max_pixels
            env |= dict.fromkeys(FRAMES, str(recipe.video.frames))
            # MiniCPM-V: no frame is cut into slices; Qwen-VL: those that are larger are scaled down
            env |= {"VIDEO_MAX_SLICE_NUMS": "1", "VIDEO_MAX_PIXELS": str(pixels)}
            env["VIDEO_MIN_PIXELS"] = str(min(pixels, 4 * QWEN_PIXELS))
        return env | process_environment(recipe, device)

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Toolkit.train`."""
        train = recipe.training
        arguments = train_arguments(recipe, inputs, self.environment)
        arguments |= loader_defaults(recipe, inputs.device) | dict(train.extra)
        if inputs.resume:
            arguments["resume_from_checkpoint"] = inputs.resume
        # a shared cache would hand out old rows for files changed under the same name
        env = {"HF_DATASETS_OFFLINE": "1", "MODELSCOPE_CACHE": CACHE} | self._environment(recipe, inputs.device)
        python, processes = str(self.environment.python), recipe.resources.processes
        launcher: tuple[str, ...] = ()
        if train.deepspeed or processes > 1:
            launcher = torchrun(processes)
            if inputs.device == "cpu":
                env = ON_CPU | env
        return Command((python, *launcher, "-m", "swift.cli.sft", *command_line(arguments)), env, unset=UNSET)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Toolkit.infer`."""
        return self._runner("swift.py", config, self._environment(recipe, str(config["device"])), UNSET)

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Toolkit.merge`."""
        arguments = {
            "model": model,
            **model_type(recipe),
            "model_revision": recipe.model.revision,
            "use_hf": True,
            "external_plugins": [str(PLUGIN)],
            "adapters": [adapter],
            "merge_lora": True,
            "output_dir": "merged",
        }
        argv = (str(self.environment.python), str(RUNNERS / "swift_merge.py"), *command_line(arguments))
        return Command(argv, self._environment(recipe, "cpu"), unset=UNSET)

    # outputs

    def train_progress(self, folder: Path) -> Progress | None:
        """See `Toolkit.train_progress`: the last lines of logging.jsonl."""
        return progress(folder / OUTPUT / "logging.jsonl")

    def evaluations(self, folder: Path) -> list[tuple[int, float]]:
        """See `Toolkit.evaluations`: the share of dev answers that are right in every token."""
        newest = max(map(history, self.checkpoints(folder)), key=len, default=[])
        return [(row["step"], row[ACCURACY]) for row in newest if ACCURACY in row]

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Toolkit.train_problems`. swift writes its summary after a failure, too: only checkpoints count."""
        shutil.rmtree(folder / CACHE, ignore_errors=True)
        checkpoints = self.checkpoints(folder)
        if not checkpoints:
            return ["it left no complete checkpoint"]
        state = read_json(checkpoints[-1].path / hf_trainer.STATE)
        found = []
        if state["global_step"] < state.get("max_steps", 1):
            found.append(f"its last complete checkpoint is step {state['global_step']} of {state['max_steps']}")
        found += broken(state.get("log_history", []))
        counts = re.findall(r"train_dataset: Dataset\(\{.*?num_rows: (\d+)", log, re.DOTALL)
        found += hf_trainer.row_problems(counts, rows)
        if REPLACED.search(log):
            found.append("it replaced or left out samples that it could not read; its log says which")
        return found


def _own_code(recipe: Recipe) -> str:
    """Why a model needs its own code, as far as that can be told without the hub; empty where nothing says so."""
    path, kind = recipe.model.path, model_type(recipe)["model_type"]
    config = read_json(Path(path).expanduser() / "config.json") if path else None
    if isinstance(config, dict):
        return "the model's folder brings Python code of its own" if config.get("auto_map") else ""
    return f"models of type {kind} bring Python code of their own" if kind in REMOTE_CODE else ""


def _video_problems(recipe: Recipe) -> list[str]:
    """Frames that the model's family cannot take, or that leave no room for the words."""
    kind, frames, train = recipe.model.template or "", recipe.video.frames, recipe.train
    found, tokens = [], 0
    if kind.startswith(MINICPM):
        tokens = frames * MINICPM_TOKENS
    if kind.startswith(QWEN):
        tokens = frames // 2 * recipe.video.max_pixels // QWEN_PIXELS
        if frames % 2:
            found.append(f"video.frames is {frames}, but Qwen-VL takes frames in pairs: give an even number")
    if train and tokens + ROOM > train.max_length:
        lower = "video.frames or video.max_pixels" if kind.startswith(QWEN) else "video.frames"
        found.append(
            f"{frames} frames are up to {tokens} tokens, and words want {ROOM} at least, but train.max_length is "
            f"{train.max_length}: raise it, or lower {lower}"
        )
    return found


TOOLKIT = Swift()
