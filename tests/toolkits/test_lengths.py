"""The lengths of samples, against what each toolkit's own training makes of 500 of them: exact."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.samples import Sample
from orchestrator.environments.environment import Environment
from orchestrator.prompts.examples import Example
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.trust import Trust
from orchestrator.toolkits.base import MeasureInputs
from orchestrator.toolkits.llamafactory.arguments import video_arguments
from orchestrator.toolkits.registry import trainer
from tests.media import write_video
from tests.toolkits.inside import HERE, argv_of

pytestmark = pytest.mark.toolkit
ROWS = 500
# control tokens and placeholders, line breaks, signs of several bytes
PIECES = ("well", " you", "know", "\n", "\n\n", "<image>", "<video>", "<|im_end|>", "</s>", "我很高兴", "😀", "é", "  ",
          "'s", "12", "-", "\t", "the door", "，", "e\u0301", "<unk>", "[INST]", "<", "\u2028")  # fmt: skip
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Clips of several sizes, of fewer frames than are asked for and of more."""
    folder = tmp_path_factory.mktemp("clips")
    shapes = [(1, (96, 64)), (3, (64, 64)), (9, (320, 180)), (12, (180, 320)), (30, (640, 360)), (8, (30, 400))]
    return [
        write_video(folder / f"{at}.mp4", seed=at, frames=frames, size=size) for at, (frames, size) in enumerate(shapes)
    ]


def examples(clips: list[Path], system: str | None = None) -> list[Example]:
    """Of every length, with a clip and without."""
    drawn = random.Random(3)
    found = []
    for number in range(ROWS):
        text = " ".join(drawn.choices(PIECES, k=drawn.choice((0, 1, 5, 30, 200))))
        video = str(clips[number % len(clips)]) if clips and number % 2 else None
        prompt = f"You are presented with a video in which the speaker says: {text}{drawn.choice((' ', '.', chr(10)))}"
        sample = Sample(str(number), "demo", "train", text, "question", video)
        found.append(Example(sample, prompt, f"dialogue act: {drawn.choice(('question', 'apology'))}", system))
    return found


def recipe_of(folder: Path, model: str, modality: str, **more: str) -> Recipe:
    path = folder / "tiny.yaml"
    lines = {"method": "sft", "tasks": "[demo]", "model": model, "data": f"{{modality: {modality}, root: {folder}}}"}
    path.write_text("".join(f"{key}: {value}\n" for key, value in (lines | more).items()))
    return load_recipe(path, ["train.max_length=1000000"], trust=Trust(frozenset({"HF_HOME"})))


def prepare(folder: Path, recipe: Recipe, model: Path | str, rows: list[Example]) -> Callable[[], dict[str, Any]]:
    """Write the rows and the program's configuration; what is returned runs the program."""
    part = trainer(recipe.model.toolkit)
    with (folder / f"train{part.suffix}").open("w", encoding="utf-8") as file:
        assert part.write_examples(rows, file, recipe.modality) == ROWS
    command = part.lengths(recipe, MeasureInputs(str(model), {"train": (f"train{part.suffix}", True)}, "out.json"))
    assert command is not None
    for name, text in command.files.items():
        (folder / name).write_text(text)

    def measure() -> dict[str, Any]:
        inside(list(command.argv), folder, **command.env)
        found: dict[str, Any] = json.loads((folder / "out.json").read_text())
        return found

    return measure


def inside(argv: list[str], folder: Path, **env: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, cwd=folder, env=kept | QUIET | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def own(environment: Environment, folder: Path, **env: str) -> list[int]:
    """What the toolkit's own training makes of them."""
    argv = argv_of(environment.python, HERE / "inside_lengths.py", environment.name, folder)
    inside(argv, folder, **({"CUDA_VISIBLE_DEVICES": ""} | env))
    found: list[int] = json.loads((folder / "own.json").read_text())
    assert len(found) == ROWS
    return found


def corpus(folder: Path) -> Path:
    lines = [f"{one.prompt} {one.answer}" for one in examples([])[:60]]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "corpus.jsonl"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("tiny_qwen2", {}),
        ("tiny_qwen2_vl", {"video": "{frames: 10, max_pixels: 60000}"}),
        pytest.param("tiny_qwen2_vl", {"video": "{training: {fps: 2, frames: 8, max_pixels: 16384}}",
                      "prompt": '{train_system: ""}'}, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_llamafactory(
    llamafactory_env: Environment, clips: list[Path], tmp_path: Path, name: str, more: dict[str, str]
) -> None:
    video = name.endswith("vl")
    recipe = recipe_of(tmp_path, name, "video" if video else "text", **more)
    measure = prepare(tmp_path, recipe, "model", examples(clips if video else [], None if more else "Be kind."))
    init = trainer("llamafactory").init(recipe, str(corpus(tmp_path)))
    (tmp_path / "init.json").write_text(init.files["config.json"])
    info = trainer("llamafactory").dataset_files(["train"], recipe.modality, system=not more)["dataset_info.json"]
    (tmp_path / "dataset_info.json").write_text(info)
    arguments = {"model_name_or_path": "model", "template": recipe.model.template, "stage": "sft", "do_train": True}
    arguments |= {"dataset_dir": ".", "dataset": "train", "cutoff_len": 1 << 20, "output_dir": "none"}
    arguments |= {"report_to": "none", "use_cpu": True, **(video_arguments(recipe) if video else {})}
    if "prompt" in more:
        arguments["default_system"] = ""
    (tmp_path / "arguments.json").write_text(json.dumps(arguments))
    expected = own(llamafactory_env, tmp_path, HF_DATASETS_CACHE=str(tmp_path / "cache"))
    assert len(set(expected)) > 50
    assert measure() == {"train": expected}


def test_llava_next(llava_next_env: Environment, clips: list[Path], tmp_path: Path) -> None:
    tower = "tiny/siglip-tiny-patch14-384"
    argv = [llava_next_env.python, HERE / "tiny_llava_next.py", tmp_path / "model", tower, corpus(tmp_path)]
    inside([*map(str, argv)], tmp_path, HF_HOME=str(tmp_path))
    model = f"{{name: Tiny, path: {tmp_path}/model, toolkit: llava_next, template: qwen_1_5, type: MLLM}}"
    env = f'{{env: {{HF_HOME: "{tmp_path}"}}}}'
    recipe = recipe_of(tmp_path, model, "video", video="{frames: 2}", select="{strategy: last}", resources=env)
    measure = prepare(tmp_path, recipe, tmp_path / "model", examples(clips))
    answerer = {"model": str(tmp_path / "model"), "device": "cpu", "precision": "fp32", "frames": 2, "temperature": 0}
    (tmp_path / "answerer.json").write_text(json.dumps(answerer | {"max_new_tokens": 1, "parts": {}}))
    expected = own(llava_next_env, tmp_path, HF_HOME=str(tmp_path))
    assert measure() == {"train": expected}


@pytest.mark.parametrize("kind", ["qwen2/qwen", "qwen2_vl/qwen2_vl", "minicpmv2_6"])
def test_swift(swift_env: Environment, clips: list[Path], tmp_path: Path, kind: str) -> None:
    inside([*map(str, (swift_env.python, HERE / "tiny_swift.py", tmp_path, corpus(tmp_path)))], tmp_path)
    name, modality = ("qwen2_vl", "video") if "vl" in kind else ("qwen2", "text" if "/" in kind else "video")
    form = "MLLM" if modality == "video" else "LLM"
    model = f"{{name: mine, path: {tmp_path}/{name}, toolkit: swift, template: {kind}, type: {form}}}"
    recipe = recipe_of(tmp_path, model, modality, video="{frames: 4, max_pixels: 6272}")
    # Qwen-VL can read neither a clip of a single frame nor one so narrow
    shown = clips[1:-1] if "vl" in kind else clips if modality == "video" else []
    measure = prepare(tmp_path, recipe, tmp_path / name, examples(shown))
    command = trainer("swift").lengths(recipe, MeasureInputs("", {}, ""))
    assert command is not None
    expected = own(swift_env, tmp_path, **command.env)
    found = json.loads((tmp_path / "out.json").read_text()) if kind == "minicpmv2_6" else measure()
    assert found == {"train": expected}


def test_videollama2(videollama2_env: Environment, clips: list[Path], tmp_path: Path) -> None:
    inside([*map(str, (videollama2_env.python, HERE / "tiny_videollama2.py", tmp_path / "weights"))], tmp_path)
    weights = tmp_path / "weights"
    parts = f"{{llm: {weights}/mistral, vision_tower: {weights}/clip, projector: {weights}/base}}"
    model = f"{{name: Tiny, path: {weights}/complete, toolkit: videollama2, type: MLLM, parts: {parts}}}"
    recipe = recipe_of(tmp_path, model, "video", video="{frames: 8}", select="{strategy: last}")
    measure = prepare(tmp_path, recipe, weights / "complete", examples(clips))
    expected = own(videollama2_env, tmp_path)
    assert measure() == {"train": expected}
