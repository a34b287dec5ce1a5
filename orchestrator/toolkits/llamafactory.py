"""LLaMA-Factory 0.9.5: sharegpt JSON, one YAML file per training, checkpoints of the Hugging Face trainer."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import yaml

from orchestrator.environments import Environment
from orchestrator.recipe import Recipe
from orchestrator.toolkits import _hf_trainer as hf_trainer
from orchestrator.toolkits._llamafactory_training import OUTPUT, train_arguments
from orchestrator.toolkits.base import Checkpoint, Command, Example, Progress, TrainInputs

RUNNERS = Path(__file__).parent.parent / "runners"
CACHE = "cache"
# set in a user's shell, these would send LLaMA-Factory down other paths
UNSET = ("FORCE_TORCHRUN", "USE_V1", "USE_RAY", "USE_MCA", "USE_KT", "ALLOW_EXTRA_ARGS", "LLAMABOARD_ENABLED")
# options under which the rows or the prompts of training are no longer those that were converted
REFUSED = {
    "packing": "several samples in one sequence would not be counted as the samples they are; leave it out",
    "neat_packing": "several samples in one sequence would not be counted as the samples they are; leave it out",
    "max_samples": "use data.limit, which inference and the results know of",
    "default_system": "use prompt.system, which inference knows of",
}
# Qwen2-VL: a token is 2 x 2 patches of 14 x 14 pixels of two frames
PIXELS_PER_TOKEN = 28 * 28
# LLaMA-Factory and tokenizers act on these wherever they stand; the runner's rule is the same
CONTROL = re.compile(r"<(?=(?:image|video|audio)>|\||/?s>)")


def neutralise(text: str) -> str:
    """Text in which nothing is taken for a media or control token: ``<video>``, ``<|im_end|>``, ``</s>``."""
    return CONTROL.sub("< ", text)


class LlamaFactory:
    """LLaMA-Factory, for text models and Qwen2-VL."""

    name = "llamafactory"
    suffix = ".json"

    def __init__(self) -> None:
        self.environment = Environment.load(self.name)

    # what it can do

    def problems(self, recipe: Recipe) -> list[str]:
        """See `Toolkit.problems`."""
        found = []
        if recipe.model.template is None:
            found.append("LLaMA-Factory needs the model's `template` (its chat format), e.g. template: qwen")
        train = recipe.train
        if train and train.deepspeed:
            found += self.environment.missing_needs()
        if train and train.deepspeed and self.environment.deepspeed_file(train.deepspeed) is None:
            known = ", ".join(sorted(file.stem for file in (self.environment.folder / "deepspeed").glob("*.json")))
            found.append(
                f"train.deepspeed: `{train.deepspeed}` is neither a file nor one of the configurations {known}"
            )
        if train:
            found += [f"train.extra.{key}: {REFUSED[key]}" for key in sorted(REFUSED.keys() & set(train.extra))]
            tokens = -(-recipe.video.frames // 2) * recipe.video.max_pixels // PIXELS_PER_TOKEN
            if recipe.modality == "video" and tokens >= train.max_length:
                found.append(
                    f"{recipe.video.frames} frames of up to {recipe.video.max_pixels} pixels are up to {tokens} "
                    f"tokens, but train.max_length is {train.max_length}: LLaMA-Factory would cut the answers off; "
                    "raise it, or lower video.frames or video.max_pixels"
                )
            owned = set(train_arguments(recipe, TrainInputs(model="", data="", device="cpu"), self.environment))
            found += [
                f"train.extra.{key}: the orchestrator sets `{key}` itself; use the recipe's own key"
                for key in sorted(owned & set(train.extra))
            ]
        return found

    # data

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """See `Toolkit.write_examples`: a JSON list, one record a line."""
        encode = json.JSONEncoder(ensure_ascii=False).encode
        count = 0
        for example in examples:
            video = modality == "video" and example.sample.video is not None
            prompt = neutralise(example.prompt)
            record: dict[str, Any] = {
                "id": example.sample.id,
                "conversations": [
                    {"from": "human", "value": f"<video>{prompt}" if video else prompt},
                    {"from": "gpt", "value": example.answer},
                ],
            }
            if modality == "video":
                record["videos"] = [example.sample.video] if video else []
            if example.system is not None:
                record["system"] = example.system
            file.write(("[\n" if count == 0 else ",\n") + encode(record))
            count += 1
        file.write("\n]\n" if count else "[]\n")
        return count

    def dataset_files(self, splits: Sequence[str], modality: str, *, system: bool) -> dict[str, str]:
        """See `Toolkit.dataset_files`."""
        columns = {"messages": "conversations"}
        if system:
            columns["system"] = "system"
        if modality == "video":
            columns["videos"] = "videos"
        info = {
            split: {"file_name": f"{split}{self.suffix}", "formatting": "sharegpt", "columns": columns}
            for split in splits
        }
        return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}

    # commands

    def _environment(self, recipe: Recipe, device: str) -> dict[str, str]:
        env = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        # the data is local; the shared cache would hand out old features for videos changed under the same name
        env |= {"HF_DATASETS_OFFLINE": "1", "HF_DATASETS_CACHE": CACHE}
        if device == "cpu":
            # threads that spin while they wait slow small models tenfold when another process wants the core
            env |= {"CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
        if recipe.model.init is not None or Path(recipe.model.path or "").expanduser().is_dir():
            env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        return env | dict(recipe.resources.env)

    def _runner(self, file: str, config: Mapping[str, Any], env: Mapping[str, str]) -> Command:
        argv = (str(self.environment.python), str(RUNNERS / file), "config.json")
        return Command(argv, env, {"config.json": json.dumps(config, ensure_ascii=False, indent=2) + "\n"}, UNSET)

    def init_model(self, recipe: Recipe, corpus: str) -> Command:
        """See `Toolkit.init_model`."""
        init = recipe.model.init
        assert init is not None
        config = {
            "out": "model",
            "config": init.config,
            "vocab_size": init.vocab_size,
            "corpus": corpus,
            "seed": recipe.seed,
            "template": recipe.model.template,
        }
        return self._runner("random_init.py", config, self._environment(recipe, "cpu"))

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """See `Toolkit.train`."""
        train = recipe.train
        assert train is not None
        arguments = train_arguments(recipe, inputs, self.environment) | dict(train.extra)
        if inputs.resume:
            arguments["resume_from_checkpoint"] = inputs.resume
        env = self._environment(recipe, inputs.device)
        python = str(self.environment.python)
        argv: tuple[str, ...] = (python, "-m", "llamafactory.cli", "train", "train.yaml")
        processes = recipe.resources.processes
        if train.deepspeed or processes > 1:
            # what llamafactory-cli itself would start, without its splitting of paths at spaces
            launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
            argv = (python, *launcher, "-m", "llamafactory.launcher", "train.yaml")
            if inputs.device == "cpu":
                # the same with one repair: without it ZeRO-3 over gloo ends in NaN and status 0
                argv = (python, *launcher, str(RUNNERS / "llamafactory_train.py"), "train.yaml")
                env = {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"} | env
        text = yaml.safe_dump(arguments, sort_keys=False, allow_unicode=True)
        return Command(argv, env, {"train.yaml": text}, UNSET)

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """See `Toolkit.infer`."""
        return self._runner("llamafactory.py", config, self._environment(recipe, str(config["device"])))

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """See `Toolkit.merge`."""
        arguments = {
            "model_name_or_path": model,
            "adapter_name_or_path": adapter,
            "template": recipe.model.template,
            "finetuning_type": "lora",
            "model_revision": recipe.model.revision or "main",
            "trust_remote_code": recipe.model.trust_remote_code,
            "export_dir": "merged",
            "export_device": "cpu",
            "export_size": 5,
        }
        argv = (str(self.environment.python), "-m", "llamafactory.cli", "export", "merge.yaml")
        return Command(argv, self._environment(recipe, "cpu"), {"merge.yaml": yaml.safe_dump(arguments)}, UNSET)

    # outputs

    def train_progress(self, folder: Path) -> Progress | None:
        """See `Toolkit.train_progress`: the last lines of trainer_log.jsonl."""
        try:
            with (folder / OUTPUT / "trainer_log.jsonl").open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 4096))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return None
        loss = None
        newest: dict[str, Any] | None = None
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the first line of the tail is cut
            if isinstance(entry, dict) and "current_steps" in entry:
                newest, loss = entry, entry.get("loss", loss)
        if newest is None:
            return None
        # its remaining_time is wrong after a resume, so the view makes its own
        return Progress(newest["current_steps"], newest["total_steps"], loss)

    def resumable(self, folder: Path) -> str | None:
        """See `Toolkit.resumable`."""
        name = hf_trainer.resumable(folder / OUTPUT)
        return name and f"{OUTPUT}/{name}"

    def train_problems(self, folder: Path, log: str, rows: int) -> list[str]:
        """See `Toolkit.train_problems`. LLaMA-Factory drops rows that it cannot read and exits with status 0."""
        shutil.rmtree(folder / CACHE, ignore_errors=True)
        started = log.rfind("Running training")
        counts = [
            int(count.replace(",", "")) for count in re.findall(r"Num examples = ([\d,]+)", log[max(0, started) :])
        ]
        # evaluations print their own, smaller number
        if not counts:
            dropped = ["its log does not say on how many samples it trained"]
        else:
            dropped = [] if counts[0] == rows else [f"it trained on {counts[0]} of {rows} samples"]
        return hf_trainer.problems(folder / OUTPUT) + dropped

    def checkpoints(self, folder: Path) -> list[Checkpoint]:
        """See `Toolkit.checkpoints`."""
        return hf_trainer.checkpoints(folder / OUTPUT)

    def evaluations(self, folder: Path) -> list[tuple[int, float]]:
        """See `Toolkit.evaluations`."""
        return hf_trainer.evaluations(folder / OUTPUT)

    def runner_sources(self, kind: str) -> list[Path]:
        """See `Toolkit.runner_sources`."""
        return [RUNNERS / "random_init.py"] if kind == "init" else [RUNNERS / "loop.py", RUNNERS / "llamafactory.py"]


TOOLKIT = LlamaFactory()
