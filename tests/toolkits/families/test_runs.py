"""Every family from a recipe to the results CSV, by our command: zero_shot, and an sft with its adapter."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.media import write_video
from tests.recipes import write_rows
from tests.running import run, stage_folder, write_jsonl
from tests.toolkits.conftest import ready
from tests.toolkits.families.build import FIRST_SPECIAL
from tests.toolkits.families.samples import MAX_PIXELS, PROMPTS, families_of
from tests.toolkits.inside import HERE, argv_of

pytestmark = [pytest.mark.toolkit, pytest.mark.long]

LABELS = ("statement", "question", "command", "apology")
SIZES = {"train": 8, "dev": 4, "test": 6}
NO_VIDEO = {("swift", "internvl")}  # refused, see test_swift_families.py
CASES = [
    (toolkit, name, method)
    for toolkit in ("llamafactory", "swift")
    for name in families_of(toolkit)
    for method in ("zero_shot", "sft")
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 8 to 12 frames, alternating codecs."""
    root = tmp_path_factory.mktemp("data")
    (root / "Demo" / "video").mkdir(parents=True)
    number = 0
    for split, count in SIZES.items():
        rows = []
        for _ in range(count):
            name, label = f"demo_{number}.mp4", LABELS[number % 4]
            write_video(root / "Demo" / "video" / name, seed=number, frames=8 + number % 5)
            rows.append((f"demo_{number}", name, f"Utterance {number} <video> says {label}.", label))
            number += 1
        write_rows(root / "Demo" / f"{split}.tsv", rows)
    return root


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of models, by toolkit, made when they are asked for."""
    return {toolkit: tmp_path_factory.mktemp(toolkit) for toolkit in ("llamafactory", "swift")}


def model_of(folder: Path, toolkit: str, name: str) -> Path:
    """The folder of a family's model."""
    if not (folder / name).exists():
        first = {"first": FIRST_SPECIAL} if toolkit == "swift" else {}
        (folder / "families.json").write_text(json.dumps({name: families_of(toolkit)[name] | first}))
        write_jsonl(folder / "corpus.jsonl", PROMPTS)
        argv = argv_of(ready(toolkit).python, HERE / "families" / "build.py", folder)
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    return folder / name


@pytest.mark.parametrize(("toolkit", "name", "method"), CASES)
def test_from_recipe_to_csv(
    models: dict[str, Path], data: Path, tmp_path: Path, toolkit: str, name: str, method: str
) -> None:
    family: dict[str, Any] = families_of(toolkit)[name]
    model = model_of(models[toolkit], toolkit, name)
    video = family.get("video", False) and (toolkit, name) not in NO_VIDEO
    prompt, path = tmp_path / "tiny.j2", tmp_path / "tiny.yaml"
    prompt.write_text("{{ task }} of: {{ text }}")
    train = "train: {epochs: 1, batch_size: 4, micro_batch_size: 2, precision: fp32, max_length: 2048}\n"
    path.write_text(
        f"""method: {method}
prompt: {{template: {prompt}}}
model: {{name: tiny, path: {model}, toolkit: {toolkit}, template: {family["template"][toolkit]}, type: MLLM}}
tasks: [demo]
data: {{root: {data}, modality: {"video" if video else "text"}}}
{train + "select: {strategy: last}" if method == "sft" else ""}
inference: {{precision: fp32, max_new_tokens: 8, batch_size: 4}}
video: {{frames: 4, max_pixels: {MAX_PIXELS}}}
resources: {{device: cpu, env: {{OMP_NUM_THREADS: "1"}}}}
"""
    )
    run(path, tmp_path)
    row: dict[str, Any] = pd.read_csv(tmp_path / "tiny.csv").iloc[0].to_dict()
    assert (row["task"], row["n"], row["error"]) == ("demo", SIZES["test"], 0)
    if method == "sft":
        assert row["checkpoint"] == "checkpoint-2"
        assert list((stage_folder(tmp_path, "train") / "output" / "checkpoint-2").glob("adapter_model.safetensors"))
