"""What the toolkits share: their runner's command, the environment of their processes, the trainer's output folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from orchestrator.environments.environment import Environment
from orchestrator.errors import did_you_mean, hidden_hint
from orchestrator.machine.files import read_json
from orchestrator.machine.logs import LOG, tail
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import _hf_trainer as hf_trainer
from orchestrator.toolkits._hf_trainer import OUTPUT
from orchestrator.toolkits._whole import weights_problems
from orchestrator.toolkits.base import Checkpoint, Command, Progress, Say, ignore

RUNNERS = Path(__file__).parent.parent / "runners"
# what tqdm and the trainer print while they train
BAR = re.compile(r"(?:^|[\r\n])\s*\d+%\|[^|\r\n]*\|\s*(\d+)/(\d+) \[")
LOSS = re.compile(r"'loss': ([-+.\de]+|nan|inf)")
# how a runner names another where it is checked for types
IMPORTS = re.compile(r"^\s*from orchestrator\.runners(?:\.(\w+) import| import (.+))", re.MULTILINE)
# several processes on a CPU, which DeepSpeed does not find by itself
ON_CPU = {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}


def process_environment(recipe: Recipe, device: str) -> dict[str, str]:
    """The environment variables of any of a toolkit's processes on "cpu" or "cuda"; the recipe's own come last."""
    env = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if device == "cpu":
        # threads that spin while they wait slow small models tenfold when another process wants the core
        env |= {"CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
    if recipe.model.init is not None or Path(recipe.model.path or "").expanduser().is_dir():
        env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return env | dict(recipe.resources.env)


def attention_problems(recipe: Recipe, environment: Environment, release: str = "flash-attn") -> list[str]:
    """What is wrong with ``model.attention``: flash-attn is in no environment, as it is built for the GPUs at hand."""
    wanted = recipe.model.attention == "flash_attention_2"
    if not wanted or any(environment.venv.glob("lib/python*/site-packages/flash_attn")):
        return []
    python = environment.python
    return [
        "model.attention: flash_attention_2 needs a package that is built on a machine with GPUs: "
        f"env build {environment.name}, then uv pip install --python {python} --no-build-isolation {release} "
        "(sdpa is as exact, and built in)"
    ]


def template_problems(name: str, known: Sequence[str], what: str = "chat template") -> list[str]:
    """What is wrong with the name in ``model.template`` of a ``what``; nothing is, where none are known."""
    if not known or name in known:
        return []
    names = ", ".join(known) if len(known) < 10 else "those in names.yaml of the toolkit's folder in third_party"
    near = hidden_hint(name) or did_you_mean(name, known) or f"known: {names}"
    return [f"model.template: the toolkit knows no {what} `{name}`; {near}"]


def parts_problems(parts: Mapping[str, str], roles: Sequence[str], toolkit: str) -> list[str]:
    """What is wrong with ``model.parts``, of which a toolkit knows those of some ``roles``; each is a model's folder.

    A projector is none, but a file of whichever name: that it is there is looked at, no more.
    """
    knows = f"knows of {', '.join(roles)} only" if roles else "takes no parts: leave it out"
    found = [f"model.parts.{role}: {toolkit} {knows}" for role in sorted(parts.keys() - set(roles))]
    for role in (role for role in roles if role in parts):
        path = Path(parts[role]).expanduser()
        if parts[role].startswith(("/", "./", "../", "~")) and not path.exists():
            found.append(f"model.parts.{role}: there is no {path}")
        elif role != "projector" and path.is_dir() and not (path / "config.json").is_file():
            found.append(f"model.parts.{role}: no config.json in {path}")
        elif role != "projector" and path.is_dir():
            found += [f"model.parts.{role}: {one} ({path}): get it again" for one in weights_problems(path)]
    return found


def refused_options(
    recipe: Recipe, owned: Mapping[str, Any], refused: Mapping[str, str], environment: Environment
) -> list[str]:
    """What is wrong with `train.extra` and `train.deepspeed`.

    ``owned``: the options that the orchestrator sets itself; ``refused``: others, with the reason.
    """
    train = recipe.train
    if train is None:
        return []
    found = []
    if train.deepspeed:
        found += environment.missing_needs()
        file = environment.deepspeed_file(train.deepspeed)
        if file is not None and not isinstance(read_json(file), dict):
            found.append(f"train.deepspeed: {file} holds no JSON object, as a configuration of DeepSpeed is one")
        if file is None:
            known = sorted(file.stem for file in (environment.folder / "deepspeed").glob("*.json"))
            near = did_you_mean(Path(train.deepspeed).stem, known)
            found.append(
                f"train.deepspeed: `{train.deepspeed}` is neither a file nor one of the configurations "
                f"{', '.join(known)}" + (f"; {near}" if near else "")
            )
    found += [f"train.extra.{key}: {refused[key]}" for key in sorted(refused.keys() & set(train.extra))]
    return found + [
        f"train.extra.{key}: the orchestrator sets `{key}` itself; use the recipe's own key"
        for key in sorted(set(owned) & set(train.extra))
    ]


def entries(path: Path) -> list[dict[str, Any]]:
    """The JSON objects on the last lines of a log."""
    found = []
    for line in tail(path).splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the first line of the tail is cut
        if isinstance(entry, dict):
            found.append(entry)
    return found


def bar_progress(folder: Path) -> Progress | None:
    """The last progress bar of the trainer, and the last loss, in the log of a stage's folder."""
    text = tail(folder / LOG)
    bars, losses = BAR.findall(text), LOSS.findall(text)
    return Progress(int(bars[-1][0]), int(bars[-1][1]), float(losses[-1]) if losses else None) if bars else None


def torchrun(processes: int) -> tuple[str, ...]:
    """The arguments of Python under which a program runs in so many processes of this machine."""
    return ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")


def turns(question: str, answer: str) -> list[dict[str, str]]:
    """A conversation as LLaVA and what came from it write one."""
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def write_list(records: Iterable[Mapping[str, Any]], file: TextIO) -> int:
    """Write records as a JSON list, one a line, one at a time; returns their number."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    count = 0
    for record in records:
        file.write(("[\n" if count == 0 else ",\n") + encode(record))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


@cache
def sources_of(*names: str) -> list[Path]:
    """Some of the files of ``runners/`` and all those there that they import; a name without a file is left out."""
    found, todo = [], list(names)
    for name in todo:
        path = RUNNERS / f"{name}.py"
        if path not in found and path.exists():
            found.append(path)
            for one, several in IMPORTS.findall(path.read_text(encoding="utf-8")):
                todo += [one] if one else [part.split()[0] for part in several.split(",")]
    return found


class TrainerToolkit:
    """A toolkit that trains with the Hugging Face trainer into ``output/`` of the stage's folder.

    What the `Toolkit` protocol asks for and such toolkits do alike; a subclass adds its formats and commands.
    """

    name: str
    training_video = False
    history = False
    # runner files that the toolkit itself loads, in training and inference
    plugins: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.environment = Environment.load(self.name)

    def _runner(
        self, file: str, config: Mapping[str, Any], env: Mapping[str, str], unset: Sequence[str] = ()
    ) -> Command:
        name = f"config.{config['shard'][0]}.json" if config.get("shard") else "config.json"
        argv = (str(self.environment.python), str(RUNNERS / file), name)
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        return Command(argv, env, {name: text}, tuple(unset))

    def weights_problems(self, checkpoint: Path) -> list[str]:
        """See `Toolkit.weights_problems`."""
        return weights_problems(checkpoint)

    def resumable(self, folder: Path, say: Say = ignore) -> str | None:
        """See `Toolkit.resumable`."""
        name = hf_trainer.resumable(folder / OUTPUT, self.weights_problems, say)
        return name and f"{OUTPUT}/{name}"

    def checkpoints(self, folder: Path) -> list[Checkpoint]:
        """See `Toolkit.checkpoints`."""
        return hf_trainer.checkpoints(folder / OUTPUT, self.weights_problems)

    def damaged(self, folder: Path) -> dict[int, str]:
        """See `Toolkit.damaged`."""
        return hf_trainer.damaged(folder / OUTPUT, self.weights_problems)

    def evaluations(self, folder: Path) -> list[tuple[int, float]]:
        """See `Toolkit.evaluations`."""
        return hf_trainer.evaluations(folder / OUTPUT)

    def dataset_files(self, splits: Sequence[str], modality: str, *, system: bool) -> dict[str, str]:  # noqa: ARG002
        """See `Toolkit.dataset_files`: most want none."""
        return {}

    def init_model(self, recipe: Recipe, corpus: str) -> Command:
        """See `Toolkit.init_model`; `problems` says so before."""
        raise NotImplementedError(f"{self.name} makes no model from scratch")

    def train_progress(self, folder: Path) -> Progress | None:
        """See `Toolkit.train_progress`."""
        return bar_progress(folder)

    def runner_sources(self, kind: str) -> list[Path]:
        """See `Toolkit.runner_sources`: where a kind of stage starts, and what that imports of the runners."""
        starts = {"train": f"{self.name}_train", "infer": self.name, "init": "random_init"}
        return sources_of(starts[kind], *self.plugins) if kind in starts else []
