"""Runs inside VideoLLaMA2's environment for test_videollama2.py: one start (10 s of imports) for all of it.

``start.py inside_videollama2.py FOLDER``: parses every list of ``FOLDER/flags.json`` with VideoLLaMA2's
own parser, merges as ``FOLDER/merge.json`` says, answers every ``FOLDER/*.config.json``, and writes what training would
feed the model beside what the runner does into ``FOLDER/report.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from videollama2 import train as training

from orchestrator.inside import loop
from tests.toolkits import inside_labels
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])


def parse_flags() -> dict[str, Any]:
    kinds = (training.ModelArguments, training.DataArguments, training.TrainingArguments)
    parsed = {}
    for name, flags in json.loads((FOLDER / "flags.json").read_text()).items():
        values, rest = transformers.HfArgumentParser(kinds).parse_known_args(flags)
        parsed[name] = {"rest": rest, "values": {key: str(value) for key, value in vars(values).items()}}
    return parsed


def answer_all(runner: Any) -> tuple[Any, dict[str, str]]:
    answerer, ends = None, {}
    for path in sorted(FOLDER.glob("*.config.json")):
        name = path.name.removesuffix(".config.json")
        config = json.loads(path.read_text())
        made: list[Any] = []

        def load(config: Any = config, made: list[Any] = made) -> Any:
            made.append(runner.VideoLlama2Answerer(config))
            return made[0]

        try:
            ends[name] = str(loop.run(config, load))
        except SystemExit as end:
            ends[name] = str(end)
        if name == "batches":
            answerer = made[0]
    return answerer, ends


def compare_with_training(answerer: Any) -> list[dict[str, Any]]:
    """The ids and frames of VideoLLaMA2's own data set beside those of the runner, for the same samples."""
    arguments = SimpleNamespace(
        data_folder=".",
        num_frames=answerer.config["frames"],
        image_aspect_ratio="pad",
        is_multimodal=True,
        is_pretraining=False,
        image_processor=answerer.processor,
        video_processor=answerer.processor,
        image_size=56,
    )
    data = training.LazySupervisedDataset(str(FOLDER / "same.json"), answerer.tokenizer, arguments)
    requests = [json.loads(line) for line in (FOLDER / "same.jsonl").read_text().splitlines()]
    report = []
    for row, request in zip([data[number] for number in range(len(data))], requests, strict=True):
        mine = answerer.encode(request)
        prompt = len(mine.ids)
        report.append(
            {
                "ids": row["input_ids"][:prompt].tolist() == mine.ids,
                "label": row["input_ids"][prompt:].tolist() == answerer.answer_ids("emotion: joy"),
                "untaught": bool((row["labels"][:prompt] == -100).all()),
                "answer": answerer.tokenizer.decode(row["labels"][prompt:]),
                "frames": torch.equal(row["video"], mine.frames) if "video" in row else mine.frames is None,
                "shape": list(mine.frames.shape) if mine.frames is not None else None,
            }
        )
    return report


def main() -> None:
    flags = parse_flags()
    runner = module("videollama2", "infer")
    runner.Model(json.loads((FOLDER / "merge.json").read_text())).merge_into(str(FOLDER / "merged"))
    answerer, ends = answer_all(runner)
    inside_labels.report_all("videollama2", FOLDER)
    report = {"flags": flags, "ends": ends, "training": compare_with_training(answerer)}
    (FOLDER / "report.json").write_text(json.dumps(report))
