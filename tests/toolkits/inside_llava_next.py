"""Runs inside LLaVA-NeXT's environment for test_llava_next.py: ``start.py inside_llava_next.py same|missing|alone``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.toolkits import inside_labels
from tests.toolkits.inside import module


def read(name: str) -> Any:
    return json.loads(Path(name).read_text())


def same() -> None:
    """What training would feed the model beside what inference does, for the same samples: report.json."""
    runner = module("llava_next", "infer")
    answerer = runner.LlavaNextAnswerer(read("config.json"))
    import torch
    from llava import conversation
    from llava.train.train import LazySupervisedDataset

    conversation.default_conversation = conversation.conv_templates["qwen_1_5"]
    options = SimpleNamespace(
        is_multimodal=True, video_folder="/", mm_use_im_start_end=False, frames_upbound=2,
        force_sample=True, video_fps=1, add_time_instruction=False, image_processor=answerer.processor,
    )  # fmt: skip
    trained = LazySupervisedDataset("train.json", answerer.tokenizer, options)
    report, label = [], answerer.answer_ids("dialogue act: question")
    for place, line in enumerate(Path("requests.jsonl").read_text().splitlines()):
        row, mine = trained._get_item(place), answerer.encode(json.loads(line))
        ids, text = row["input_ids"].tolist(), mine.frames is None
        frames, kind = (torch.zeros(1, 3, 384, 384), "text") if text else (mine.frames, "video")
        prepare = answerer.model.prepare_inputs_labels_for_multimodal
        embeds = prepare(torch.tensor([mine.ids]), None, None, None, None, [frames], [kind])[4]
        counted = 1 if text else runner.shared.video_tokens(answerer.model.config.to_dict(), 2)
        report.append(
            {
                "ids": ids[: len(mine.ids)] == mine.ids,
                "label": ids[len(mine.ids) :][: len(label)] == label,
                "rest": answerer.tokenizer.decode(ids[len(mine.ids) :]),
                "frames": torch.equal(row["image"][0][0], frames),
                "counted": embeds.shape[1] == len(mine.ids) - 1 + counted,
            }
        )
    Path("report.json").write_text(json.dumps(report))
    inside_labels.report_all("llava_next", Path())


def missing() -> None:
    """A model whose checkpoint lacks its tower, its projector or a layer: ends.json says what came of it."""
    runner = module("llava_next", "infer")
    import torch
    from llava.model.language_model.llava_qwen import LlavaQwenForCausalLM as Model
    from safetensors.torch import load_file, save_file

    load = Model.from_pretrained.__func__

    def without_memory(cls: Any, *given: Any, **more: Any) -> Any:
        """As for a GPU: the model is made without memory, which the checkpoint's weights then get."""
        return load(cls, *given, **more | {"device_map": {"": "cpu"}})

    Model.from_pretrained = classmethod(without_memory)
    weights, ends = load_file("model/model.safetensors"), list[Any]()
    for part in ("vision_tower", "mm_projector", "vision_model.encoder.layers.0"):
        left = {name: weight for name, weight in weights.items() if part not in name}
        save_file(left, "model/model.safetensors", {"format": "pt"})
        try:
            loaded = runner.LlavaNextAnswerer(read("config.json")).model.state_dict()
            ends.append(all(torch.equal(loaded[name], weights[name]) for name in weights))
        except SystemExit as error:
            ends.append(str(error))
    Path("ends.json").write_text(json.dumps(ends))


def alone() -> None:
    """The training, whose bad videos are left to LLaVA-NeXT."""
    training = module("llava_next", "train")
    training.end_at_bad_videos = lambda *_: None
    training.main()


def main() -> None:
    {"same": same, "missing": missing, "alone": alone}[sys.argv.pop(1)]()
