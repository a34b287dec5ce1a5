"""What differs between the toolkits: the tiny random model of each, and what its recipes must say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.environments.environment import Environment
from tests.gpu_check.runs import SHORT, Failed, environment, run
from tests.media import write_video
from tests.recipes import write_rows
from tests.shared import ROOT

LABELS = {"Demo": ("statement", "question", "command", "apology"), "MUStARD": ("sincere", "sarcastic")}
TASKS = ["demo", "MUStARD"]
PROGRAMS = ROOT / "tests" / "toolkits"


@dataclass(frozen=True)
class Sizes:
    """How much is done: rows of the splits, steps of a training, samples a step and at once."""

    rows: tuple[int, int, int]
    steps: int
    batch: int
    micro: int


SIZES = {"cpu": Sizes((12, 2, 12), 6, 4, 2), "cuda": Sizes((64, 8, 96), 48, 8, 4)}


@dataclass(frozen=True)
class Bench:
    """Where and on what the parts work: ``device`` is "cuda" or "cpu", ``folder`` that of all files."""

    device: str
    folder: Path

    @property
    def sizes(self) -> Sizes:
        return SIZES[self.device]

    def data(self) -> Path:
        """The generated data sets, made once."""
        root = self.folder / "data"
        if not (root / "made").exists():
            for dataset in LABELS:
                _write(root, dataset, self.sizes.rows)
                (root / "made").touch()
        return root


def _write(root: Path, dataset: str, rows: tuple[int, int, int]) -> None:
    """Clips of 8 to 12 frames, alternating codecs, each with an utterance of another length."""
    (root / dataset / "video").mkdir(parents=True, exist_ok=True)
    number, labels = 0, LABELS[dataset]
    for split, count in zip(("train", "dev", "test"), rows, strict=True):
        found = []
        for _ in range(count):
            name, label = f"{dataset}_{number}", labels[number % len(labels)]
            write_video(root / dataset / "video" / f"{name}.mp4", seed=number, frames=8 + number % 5)
            text = f"Utterance {number} says {label}{' and more' * (number % 7)}."
            found.append((name, f"{name}.mp4", text, label))
            number += 1
        write_rows(root / dataset / f"{split}.tsv", found)


def inside(toolkit: str, program: Path, *words: object, env: Mapping[str, str] | None = None) -> None:
    """Run a program of the tests in a toolkit's environment.

    Raises:
        Failed: it ended badly.
    """
    argv = [str(Environment.load(toolkit).python), str(program), *map(str, words)]
    done = subprocess.run(argv, env=environment(env or {}), capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{program.name} ended with status {done.returncode}:\n{done.stderr[-3000:]}")


def corpus(folder: Path) -> Path:
    """Texts of the kind that models are asked, one JSON string a line, for tokenizers."""
    lines = [
        f"You are presented with a video in which the speaker says: Utterance {n} says and more." for n in "012345"
    ]
    lines += [f"{kind}: {label}" for kind in ("dialogue act", "speaking style") for labels in LABELS.values()
              for label in labels] * 4  # fmt: skip
    lines += ["Based on the text, video, and audio content, what is the dialogue act of this speaker?",
              "The candidate labels for speaking style are: [sincere, sarcastic]. Respond in the format: "
              "'speaking style: [label]'. Only one label should be provided."]  # fmt: skip
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _llamafactory(folder: Path, bench: Bench) -> dict[str, Any]:
    """Made by the orchestrator's own stage `init`."""
    wide = {"initializer_range": 0.2}  # so that answers differ
    model = {"name": "tiny_qwen2_vl", "init": {"config": {**wide, "text_config": wide, "vision_config": wide}}}
    recipe = {"method": "zero_shot", "model": model, "tasks": TASKS, "data": {"root": str(bench.data())}}
    made = run(recipe, folder, "--only", "zero_shot/init")
    path = made.stage("init") / "model"
    return {"path": str(path), "template": "qwen2_vl"}


def _llava_next(folder: Path, bench: Bench) -> dict[str, Any]:
    tower = folder / "siglip-tiny-patch14-384"
    inside("llava_next", PROGRAMS / "tiny_llava_next.py", folder / "model", tower, corpus(folder))
    return {"path": str(folder / "model"), "template": "qwen_1_5"}


def _swift(folder: Path, bench: Bench) -> dict[str, Any]:
    inside("swift", PROGRAMS / "tiny_swift.py", folder, corpus(folder))
    return {"path": str(folder / "qwen2_vl"), "template": "qwen2_vl/qwen2_vl"}


def _videollama2(folder: Path, bench: Bench) -> dict[str, Any]:
    inside("videollama2", PROGRAMS / "tiny_videollama2.py", folder / "made")
    parts = {"llm": "mistral", "vision_tower": "clip", "projector": "base"}
    made = folder / "made"
    return {"path": str(made / "complete"), "parts": {role: str(made / name) for role, name in parts.items()}}


@dataclass(frozen=True)
class Kit:
    """A toolkit as the parts see it.

    Attributes:
        name: the toolkit's.
        make: makes a tiny model in a folder; returns what ``model`` of a recipe says of it.
        more: what else its recipes say.
        train: what else ``train`` says.
        on_cpu: the DeepSpeed stages that are known to train on a CPU, and in which precision.
    """

    name: str
    make: Callable[[Path, Bench], dict[str, Any]]
    more: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    on_cpu: Mapping[str, str] = field(default_factory=lambda: {"zero2": "bf16"})

    def model(self, bench: Bench) -> dict[str, Any]:
        """The tiny model, made once."""
        folder = bench.folder / "models" / self.name
        about = folder / "model.json"
        if not about.exists():
            folder.mkdir(parents=True, exist_ok=True)
            about.write_text(json.dumps(self.make(folder, bench)))
        known = {"name": f"Tiny-{self.name}", "toolkit": self.name, "type": "MLLM", "params_b": 0.01}
        return known | json.loads(about.read_text())

    def recipe(self, bench: Bench, method: str, **more: Any) -> dict[str, Any]:
        """A recipe for it, in bf16; ``more`` are sections, merged into what they say anyway."""
        sizes = bench.sizes
        found: dict[str, Any] = {
            "method": method,
            "model": self.model(bench),
            "tasks": TASKS if method == "zero_shot" else TASKS[:1],
            "data": {"root": str(bench.data())},
            "video": {"frames": 4, "max_pixels": 3136},
            "inference": {"batch_size": 8, "max_new_tokens": 12, "precision": "bf16"},
            "resources": {"device": bench.device, "env": {"OMP_NUM_THREADS": "1"} if bench.device == "cpu" else {}},
        }
        if bench.device == "cpu":
            # a token of a vocabulary of 150,000 costs a CPU much, in bf16 most
            found["prompt"] = {"template": SHORT}
        if method != "zero_shot":
            found["select"] = {"strategy": "last"}
            found["train"] = {
                "batch_size": sizes.batch, "micro_batch_size": sizes.micro, "max_steps": sizes.steps,
                "save_steps": sizes.steps // 3, "max_length": 1024, "learning_rate": 1e-3, "precision": "bf16",
                "lora": {"rank": 8, "alpha": 16}, **self.train,
            }  # fmt: skip
        for section in (self.more, more):
            for name, value in section.items():
                found[name] = {**found.get(name, {}), **value} if isinstance(value, dict) else value
        return found


KITS = {
    kit.name: kit
    for kit in (
        Kit("llamafactory", _llamafactory, on_cpu={"zero2": "fp32", "zero3": "fp32"}),
        Kit("llava_next", _llava_next, more={"video": {"frames": 1}}),
        Kit("swift", _swift),
        Kit("videollama2", _videollama2, more={"video": {"frames": 8}}),
    )
}
