"""How many tokens LLaMA-Factory makes of samples: its own template and encoding, with no length to cut them at.

A video's tokens follow from the header of its file, as in its own training, which reads those of Qwen-VL likewise.
"""

from __future__ import annotations

from typing import Any

from orchestrator.inside import lengths
from orchestrator.toolkits.llamafactory.inside import audio

NO_LIMIT = 1 << 40
# of `train.extra`, what changes how samples are encoded
ENCODING = (
    *("video_", "image_", "audio_", "use_audio", "crop_to", "tool_format"),
    *("use_fast_tokenizer", "split_special_tokens", "add_tokens", "add_special_tokens", "new_special_tokens"),
    *("efficient_eos", "mask_history"),
)
ROLES = {"human": "user", "gpt": "assistant"}


def load(config: dict[str, Any], training: bool) -> lengths.Measure:
    """The encoding of training, or of inference."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.data.processor import SupervisedDatasetProcessor
    from llamafactory.hparams import get_infer_args
    from llamafactory.model import load_tokenizer

    audio.install()
    shown = config["as_trained"] if training else config["as_asked"]
    arguments = {
        "model_name_or_path": config["model"],
        "model_revision": config.get("revision") or "main",
        "template": config["template"],
        "trust_remote_code": bool(config.get("trust_remote_code")),
        **shown,
    }
    if training:
        extra = config.get("extra") or {}
        arguments |= {name: value for name, value in extra.items() if name.startswith(ENCODING)}
    model_args, data_args, _, _ = get_infer_args(arguments)
    tools = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(tools["tokenizer"], data_args)
    data_args.cutoff_len = NO_LIMIT
    encoder = SupervisedDatasetProcessor(template=template, data_args=data_args, **tools)

    def measure(row: lengths.Row) -> int:
        turns = [{"role": ROLES[turn["from"]], "content": turn["value"]} for turn in row["conversations"]]
        ids, _ = encoder._encode_data_example(
            prompt=turns[:-1],
            response=turns[-1:],
            system=row.get("system") or "",
            tools="",
            images=[],
            videos=row.get("videos") or [],
            audios=row.get("audios") or [],
        )
        return len(ids)

    return measure


def main() -> None:
    """Measure as the configuration on the command line says."""
    lengths.main(load)
