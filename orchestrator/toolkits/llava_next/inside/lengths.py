"""How many tokens LLaVA-NeXT makes of samples: the conversation as its training renders it, and its frames by number.

Each clip gives exactly as many frames as a recipe says, and each frame as many tokens as the checkpoint's configuration
says (`model.video_tokens`).
"""

from __future__ import annotations

from typing import Any

from orchestrator.inside import lengths
from orchestrator.toolkits.llava_next.inside import model as shared

IMAGE = "<image>"


def load(config: dict[str, Any], _training: bool) -> lengths.Measure:
    """The encoding of training, which is that of inference, too."""
    tower = (config.get("parts") or {}).get("vision_tower")
    folder, settings = shared.find_model(config["model"], config.get("revision"), tower)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    frames = shared.video_tokens(settings, int(config["frames"]))

    def measure(row: lengths.Row) -> int:
        asked, answered = (turn["value"] for turn in row["conversations"])
        text = shared.TEMPLATE.format(system=shared.SYSTEM, question=asked, answer=f"{answered}<|im_end|>\n")
        # without a video its placeholder is text like any other
        parts = text.split(IMAGE) if row.get("video") else [text]
        return sum(len(tokenizer(part).input_ids) for part in parts) + frames * (len(parts) - 1)

    return measure


def main() -> None:
    """Measure as the configuration on the command line says."""
    lengths.main(load)
