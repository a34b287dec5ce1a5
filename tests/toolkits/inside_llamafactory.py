"""Runs inside LLaMA-Factory's environment for test_llamafactory_runner.py: one start (15 s of imports) for all of it.

``start.py inside_llamafactory.py FOLDER``: makes the tiny models, answers every ``FOLDER/*.config.json``
and writes what training would feed the model into ``FOLDER/training.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from tests.toolkits import inside_labels
from tests.toolkits.inside import module

FOLDER = Path(sys.argv[1])


def make_models() -> None:
    init = module("llamafactory", "init")
    for job in ("text", "again", "video"):
        sys.argv[1:] = [str(FOLDER / f"{job}.init.json")]
        init.main()
    files = ("model.safetensors", "tokenizer.json")
    sums = {
        name: [hashlib.sha256((FOLDER / name / file).read_bytes()).hexdigest() for file in files]
        for name in ("text", "again")
    }
    (FOLDER / "sums.json").write_text(json.dumps(sums))


def make_adapter() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(str(FOLDER / "text"))
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(str(FOLDER / "adapter"))


def answer_all(runner: Any) -> Any:
    video = None
    for path in sorted(FOLDER.glob("*.config.json")):
        config = json.loads(path.read_text())
        made: list[Any] = []

        def load(config: Any = config, made: list[Any] = made) -> Any:
            made.append(runner.LlamaFactoryAnswerer(config))
            return made[0]

        status = loop.run(config, load)
        (FOLDER / path.name.replace("config", "status")).write_text(str(status))
        if path.name.startswith("video"):
            video = made[0]
    return video


def compare_with_training(runner: Any, answerer: Any) -> None:
    """The tensors of LLaMA-Factory's training pipeline beside those of the runner, for the same samples."""
    import torch
    from llamafactory.data import SFTDataCollatorWith4DAttentionMask, get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    arguments = json.loads((FOLDER / "train.json").read_text())
    model_args, data_args, training_args, _, _ = get_train_args(arguments)
    tools = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(tools["tokenizer"], data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage="sft", **tools)["train_dataset"]
    collator = SFTDataCollatorWith4DAttentionMask(template=template, model=answerer.model, **tools)
    requests = [json.loads(line) for line in (FOLDER / "same.jsonl").read_text().splitlines()]
    report = []
    for row, request in zip(data, requests, strict=True):
        trained = collator([dict(row)])
        mine = answerer.encode(request)
        ids = torch.tensor([mine.ids])
        types = answerer._token_types(ids)
        rope = answerer.model.model.get_rope_index
        places, _ = rope(ids, mm_token_type_ids=types, video_grid_thw=mine.media["video_grid_thw"])
        prompt, label = len(mine.ids), answerer.answer_ids("emotion: joy")
        report.append(
            {
                "ids": trained["input_ids"][0, :prompt].tolist() == mine.ids,
                "label": trained["input_ids"][0, prompt : prompt + len(label)].tolist() == label,
                "answer": tools["tokenizer"].decode(trained["input_ids"][0, prompt:]),
                "pixels": torch.equal(trained["pixel_values_videos"], mine.media["pixel_values_videos"]),
                "positions": torch.equal(trained["position_ids"][1:, :, :prompt], places),
                "text_positions": torch.equal(places[0, 0], torch.arange(prompt)),
                "grid": mine.media["video_grid_thw"].tolist(),
            }
        )
    (FOLDER / "training.report.json").write_text(json.dumps(report))


def main() -> None:
    make_models()
    make_adapter()
    runner = module("llamafactory", "infer")
    compare_with_training(runner, answer_all(runner))
    inside_labels.report_all("llamafactory", FOLDER)
