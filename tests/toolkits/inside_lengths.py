"""Runs inside a toolkit's environment for test_lengths.py: ``start.py inside_lengths.py TOOLKIT FOLDER``.

Writes how long the toolkit's own training makes each row of ``FOLDER/train.json`` (or ``.jsonl``) to
``FOLDER/own.json``.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.toolkits.inside import module

TOOLKIT, FOLDER = sys.argv[1], Path(sys.argv[2])


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = module(TOOLKIT, "lengths").lengths.rows_of(str(next(FOLDER.glob("train.json*"))))
    return found


def llamafactory() -> list[int]:
    """The data set that it trains on, at a length that cuts nothing."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    if (FOLDER / "init.json").exists():
        sys.argv[1:] = [str(FOLDER / "init.json")]
        module("llamafactory", "init").main()
    arguments = json.loads((FOLDER / "arguments.json").read_text())
    model_args, data_args, training_args, _, _ = get_train_args(arguments)
    tools = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(tools["tokenizer"], data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage="sft", **tools)["train_dataset"]
    return [len(row["input_ids"]) for row in data]


def llava_next() -> list[int]:
    """Its own conversations; of some samples what the model itself makes of the frames."""
    runner = module("llava_next", "infer")
    answerer = runner.LlavaNextAnswerer(json.loads((FOLDER / "answerer.json").read_text()))
    from llava import conversation
    from llava.train.train import LazySupervisedDataset, preprocess, preprocess_multimodal

    conversation.default_conversation = conversation.conv_templates["qwen_1_5"]
    options = SimpleNamespace(
        is_multimodal=True, video_folder="/", mm_use_im_start_end=False, frames_upbound=2,
        force_sample=True, video_fps=1, add_time_instruction=False, image_processor=answerer.processor,
    )  # fmt: skip
    trained = LazySupervisedDataset(str(FOLDER / "train.json"), answerer.tokenizer, options)
    prepare = answerer.model.prepare_inputs_labels_for_multimodal
    found, frames = [], {}
    for place, row in enumerate(trained.list_data_dict):
        if "video" not in row:
            found.append(len(trained._get_item(place)["input_ids"]))
            continue
        turns = preprocess_multimodal([copy.deepcopy(row["conversations"])], options)
        ids = preprocess(turns, answerer.tokenizer, has_image=True)["input_ids"]
        if row["video"] not in frames:
            picture = trained._get_item(place)["image"][0][0]
            embeds = prepare(ids, None, None, None, None, [picture], ["video"])[4]
            frames[row["video"]] = embeds.shape[1] - len(ids[0])
        found.append(len(ids[0]) + frames[row["video"]])
    return found


def swift() -> list[int]:
    """Its own template; of MiniCPM-V that class around a stand-in for the pictures, whose class lies in no package."""
    from swift.model import get_model_processor
    from swift.template import get_template

    lengths, config = module("swift", "lengths"), json.loads((FOLDER / "config.json").read_text())
    if config["template"] != "minicpmv2_6":
        kind, _, template_type = config["template"].partition("/")
        _, processor = get_model_processor(config["model"], load_model=False, model_type=kind, use_hf=True)
        template = get_template(processor, template_type=template_type or None, max_length=1 << 30)
        template.set_mode("train")
        return [len(template.encode(dict(lengths.conversation(row)))["input_ids"]) for row in rows()]
    lengths.patches.install()
    _, processor = get_model_processor(config["model"], load_model=False, model_type="qwen2", use_hf=True)
    processor.add_special_tokens({"additional_special_tokens": ["<image>", "</image>", "<unk>"]})
    processor.image_processor = Pictures()
    template = get_template(processor, template_type="minicpmv2_6", max_length=1 << 30)
    template.set_mode("train")
    own = [len(template.encode(dict(lengths.conversation(row)))["input_ids"]) for row in rows()]
    lengths.count_frames(template)
    counted = [template.encode(lengths.conversation(row), return_length=True)["lengths"][0] for row in rows()]
    (FOLDER / "out.json").write_text(json.dumps({"train": counted}))
    return own


class Pictures:
    """As MiniCPM-V-2.6's image processor, as far as swift's template asks it: 64 tokens for a picture that is whole."""

    def __call__(self, images: Any, **_: Any) -> Any:
        import torch

        class Inputs(dict[str, Any]):
            def __init__(self) -> None:
                super().__init__(pixel_values=[[torch.zeros(1)]], tgt_sizes=[torch.zeros(1)])
                self.image_sizes = [[picture.size for picture in images[0]]]

            def to(self, _: Any) -> Any:
                return self

        return Inputs()

    def get_slice_image_placeholder(
        self, image_size: Any, image_idx: int = 0, max_slice_nums: Any = None, use_image_id: Any = None
    ) -> str:
        assert (max_slice_nums, use_image_id) == (1, False)
        assert len(image_size) == 2
        assert image_idx >= 0
        return "<image>" + "<unk>" * 64 + "</image>"


def videollama2() -> list[int]:
    """Its own data set."""
    import torch  # noqa: F401 - before transformers
    from transformers import AutoTokenizer, CLIPImageProcessor
    from videollama2 import train as training

    config = json.loads((FOLDER / "config.json").read_text())
    processor = CLIPImageProcessor.from_pretrained(config["parts"]["vision_tower"])
    options = SimpleNamespace(
        data_folder=".", num_frames=8, image_aspect_ratio="pad", is_multimodal=True, is_pretraining=False,
        image_processor=processor, video_processor=processor, image_size=56,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(config["parts"]["llm"], use_fast=True)
    data = training.LazySupervisedDataset(str(FOLDER / "train.json"), tokenizer, options)
    return [len(data[place]["input_ids"]) for place in range(len(data))]


def main() -> None:
    os.chdir(FOLDER)
    found = {"llamafactory": llamafactory, "llava_next": llava_next, "swift": swift, "videollama2": videollama2}
    (FOLDER / "own.json").write_text(json.dumps(found[TOOLKIT]()))
