"""Runs inside ms-swift's environment for test_swift.py: one start (15 s of imports) for all of it.

``start.py inside_swift.py FOLDER``: answers every ``FOLDER/*.config.json``, writes what training would feed the model
beside what the runner does, tries the patches, and parses every ``FOLDER/*.argv.json`` as ``swift sft`` would.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from tests.toolkits import inside_labels
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])


def parse_all() -> None:
    from swift.arguments import SftArguments
    from swift.utils import parse_args

    for path in sorted(FOLDER.glob("*.argv.json")):
        arguments, unknown = parse_args(SftArguments, json.loads(path.read_text()))
        names = ("model_type", "template", "learning_rate", "lora_rank", "max_length", "strict", "fp16", "bf16")
        names += ("metric_for_best_model", "eval_strategy", "save_total_limit", "acc_strategy", "truncation_strategy")
        report = {name: getattr(arguments, name) for name in names} | {"unknown": unknown}
        (FOLDER / path.name.replace("argv", "parsed")).write_text(json.dumps(report))


def answer_all(runner: Any) -> Any:
    last = None
    for path in sorted(FOLDER.glob("*.config.json")):
        made: list[Any] = []
        config = json.loads(path.read_text())

        def load(config: Any = config, made: list[Any] = made) -> Any:
            made.append(runner.SwiftAnswerer(config))
            return made[0]

        loop.run(config, load)
        last = made[0]
    return last


def compare_with_training(answerer: Any) -> None:
    """What swift's own training reads from a converted file, beside what the runner makes of the same requests."""
    import torch
    from swift.dataset import load_dataset

    rows, _ = load_dataset([str(FOLDER / "same_train.jsonl")], strict=True)
    requests = [json.loads(line) for line in (FOLDER / "same_requests.jsonl").read_text().splitlines()]
    tokenizer, template = answerer.template.tokenizer, answerer.template
    report = []
    for row, request in zip(rows, requests, strict=True):
        mine = answerer.encode(request)
        template.set_mode("train")
        trained = template.encode(dict(row))
        template.set_mode("transformers")
        prompt = len(mine["input_ids"])
        label = answerer.answer_ids("emotion: joy")
        media = [name for name in ("pixel_values_videos", "video_grid_thw") if name in trained]
        same = all(torch.equal(trained[name], mine[name]) for name in media)
        grid = mine["video_grid_thw"].tolist() if "video_grid_thw" in mine else None
        report.append(
            {
                "ids": trained["input_ids"][:prompt] == mine["input_ids"],
                "label": trained["input_ids"][prompt : prompt + len(label)] == label,
                "learnt": tokenizer.decode([label for label in trained["labels"] if label != -100]),
                "asked": tokenizer.decode(mine["input_ids"]),
                "media": same,
                "grid": grid,
            }
        )
    (FOLDER / "training.report.json").write_text(json.dumps(report))


def try_patches() -> None:
    """MiniCPM-V's frames of every clip in FOLDER/clips, and a model that brings code which would leave a file."""
    from swift.template.templates import minicpm
    from transformers import AutoConfig

    report: dict[str, Any] = {}
    for clip in sorted((FOLDER / "clips").iterdir()):
        try:
            frames = minicpm.load_video_minicpmv_mplug_owl3(str(clip), max_num_frames=4)
            report[clip.stem] = [round(sum(frame.resize((1, 1)).getpixel((0, 0))) / 3) for frame in frames]
        except Exception as error:
            report[clip.stem] = f"{type(error).__name__}: {error}"
    try:
        AutoConfig.from_pretrained(str(FOLDER / "own_code"), trust_remote_code=True)
    except Exception as error:
        report["own_code"] = f"{type(error).__name__}: {error}"
    (FOLDER / "patches.report.json").write_text(json.dumps(report))


def main() -> None:
    os.chdir(FOLDER)
    runner = module("swift", "infer")
    compare_with_training(answer_all(runner))
    inside_labels.report_all("swift", FOLDER)
    try_patches()
    parse_all()  # last: it sets environment variables
