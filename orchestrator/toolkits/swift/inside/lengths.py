"""How many tokens ms-swift makes of samples: its own template, with no length to refuse them at.

MiniCPM-V's frames are counted and not decoded: each is one picture of as many tokens, and a clip with fewer frames than
are asked for gives each of them once (`patches.load_video`). What other families make of a video is encoded by swift.
"""

from __future__ import annotations

from typing import Any

from orchestrator.inside import lengths
from orchestrator.toolkits.swift.inside import audio, forms, patches

NO_LIMIT = 1 << 40
# of `train.extra`, what changes how samples are encoded
ENCODING = ("loss_scale", "template_backend")


def conversation(row: lengths.Row) -> dict[str, Any]:
    """A row in swift's form; the released files have a form of their own, which swift reads, too."""
    messages = row.get("messages")
    if messages is None:
        messages = [{"role": "user", "content": row["query"]}, {"role": "assistant", "content": row["response"]}]
        if row.get("system") is not None:
            messages.insert(0, {"role": "system", "content": row["system"]})
    return {"messages": messages, "videos": row.get("videos") or [], "audios": row.get("audios") or []}


def count_frames(template: Any) -> None:
    """Have a template of MiniCPM-V count frames, and the tokens that they become, without a look at any."""
    from decord import VideoReader, cpu
    from PIL import Image
    from swift.template import Template
    from swift.template.templates import minicpm

    picture = Image.new("RGB", (1, 1))
    placeholder = template.processor.image_processor.get_slice_image_placeholder(
        (448, 448), image_idx=0, max_slice_nums=1, use_image_id=False
    )
    more = len(template.processor.encode(f"{placeholder}\n", add_special_tokens=False)) - 1

    def frames(video: str, max_num_frames: int) -> list[Any]:
        total = len(VideoReader(video, ctx=cpu(0), num_threads=1))
        return [picture] * len(patches.places(total, max_num_frames))

    def encode(inputs: Any) -> dict[str, Any]:
        encoded: dict[str, Any] = Template._encode(template, inputs)
        added = [0] * (more * len(inputs.images))
        return {name: encoded[name] + added for name in ("input_ids", "labels") if encoded.get(name) is not None}

    minicpm.load_video_minicpmv_mplug_owl3 = frames
    template._encode = encode


def load(config: dict[str, Any], training: bool) -> lengths.Measure:
    """The encoding of training, or of inference."""
    from swift.model import get_model_processor
    from swift.template import get_template
    from swift.template.templates.minicpm import MiniCPMV2_6Template, MiniCPMV4_5Template

    patches.install()
    if config.get("thinking"):
        forms.install(config["thinking"])
    audio.install()
    kind, _, template_type = config["template"].partition("/")
    _, processor = get_model_processor(
        config["model"], load_model=False, model_type=kind, use_hf=True, revision=config.get("revision")
    )
    extra = (config.get("extra") or {}) if training else {}
    options: dict[str, Any] = {name: extra[name] for name in ENCODING if name in extra}
    if training and config.get("train_system") == "":
        options["default_system"] = ""  # not even the chat template's own
    template = get_template(processor, template_type=template_type or None, max_length=NO_LIMIT, **options)
    template.set_mode("train")
    if type(template) in (MiniCPMV2_6Template, MiniCPMV4_5Template) and template.video_max_slice_nums == 1:
        count_frames(template)

    def measure(row: lengths.Row) -> int:
        encoded: dict[str, Any] = template.encode(conversation(row), return_length=True)
        return int(encoded["lengths"][0])

    return measure


def main() -> None:
    """Measure as the configuration on the command line says."""
    lengths.main(load)
