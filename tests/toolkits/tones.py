"""A data set whose labels only the ear can tell: the same words and pictures, and one of two tones."""

from __future__ import annotations

import json
import random
from pathlib import Path

from orchestrator.benchmark.task import tasks
from orchestrator.prompts import template as prompts
from tests.media import tone, write_sounding
from tests.recipes import write_rows

TASK = "MUStARD"  # which has two labels
TONES = {"sincere": 300, "sarcastic": 1600}  # hertz
SIZES = {"train": 32, "dev": 8, "test": 32}


def write_tones(root: Path, sizes: dict[str, int] = SIZES) -> None:
    """The splits, half of each label; no tone is quite as high, as long or as loud as another of its label."""
    chance = random.Random(0)
    (root / TASK / "video").mkdir(parents=True)
    for split, count in sizes.items():
        rows = []
        for number in range(count):
            label = list(TONES)[number % 2]
            hertz, loud, seconds = (
                TONES[label] * chance.uniform(0.9, 1.1),
                chance.uniform(0.2, 0.8),
                chance.uniform(1, 2),
            )
            name = f"{split}_{number}.mp4"
            write_sounding(root / TASK / "video" / name, tone(hertz, seconds, loud=loud), frames=10)
            rows.append((f"{split}_{number}", name, "I say it.", label))
        write_rows(root / TASK / f"{split}.tsv", rows)


def write_corpus(path: Path) -> None:
    """What the tokenizer of a tiny model is to know: the words of the prompts and of the answers, and a few more."""
    task = tasks()[TASK]
    prompt = prompts.load("mmla/video+audio.j2")
    lines = [prompt.render(task, text=f"I say it, {number}.") for number in range(4)]
    lines += [prompt.answer(task, label) for label in task.labels] * 4
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def recipe_file(folder: Path, root: Path, model: Path, toolkit: str, template: str, modality: str) -> Path:
    """A recipe that trains every weight of a tiny model on the tones, on a CPU."""
    folder.mkdir(parents=True, exist_ok=True)
    path, prompt = folder / f"{toolkit}_{modality.replace('+', '_')}.yaml", folder / "tiny.j2"
    prompt.write_text("{{ task }} of: {{ text }}")  # a token costs time
    path.write_text(
        f"""method: sft
prompt: {{template: {prompt}}}
model: {{name: tiny, path: {model}, toolkit: {toolkit}, template: {template}, type: MLLM}}
tasks: [{TASK}]
data: {{root: {root}, modality: {modality}}}
train:
  finetuning: full
  epochs: 12
  learning_rate: 3e-3
  batch_size: 8
  micro_batch_size: 8
  precision: fp32
  scheduler: constant
select: {{strategy: last}}
inference: {{precision: fp32, max_new_tokens: 12, batch_size: 8}}
video: {{frames: 2, max_pixels: 3136}}
resources: {{device: cpu, env: {{OMP_NUM_THREADS: "1"}}}}
"""
    )
    return path
