"""What training, inference and planning with LLaVA-NeXT share: where the weights lie and what their configuration says.

Importing this needs the standard library only: the orchestrator counts tokens with it, too.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.inside import hub_pins
from orchestrator.inside.utterance import neutraliser

# 384 x 384 pixels in patches of 14, the only SigLIP that LLaVA-NeXT's tower can be (siglip_encoder.py)
PATCHES_PER_SIDE = 27
# read by train.py as flags and by the model as configuration; where a checkpoint says nothing, what the model assumes
SETTINGS: dict[str, Any] = {
    "mm_projector_type": "mlp2x_gelu",
    "mm_patch_merge_type": "flat",
    "mm_newline_position": "one_token",
    "mm_spatial_pool_mode": "bilinear",
    "mm_spatial_pool_stride": 2,
    "mm_resampler_type": None,
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "add_faster_video": False,
}
MEDIA = "<image>\n"  # in front of a question
# what train.py makes of a conversation (preprocess_qwen), whatever its --version says of a system message
SYSTEM = "You are a helpful assistant."
TEMPLATE = (
    "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}"
)
# the placeholder of the frames, and control tokens
neutralise = neutraliser(r"image>|\|")


def question(prompt: str, video: bool, media: str = MEDIA) -> str:
    """The user's turn, the same in training and inference: the frames, then the prompt."""
    return f"{media}{neutralise(prompt)}" if video else neutralise(prompt)


def video_tokens(config: Mapping[str, Any], frames: int) -> int:
    """How many tokens so many frames become (``llava_arch.py``): each is pooled by 2, newlines come on top."""
    average = config.get("mm_spatial_pool_mode", "bilinear") in ("average", "max")
    side = PATCHES_PER_SIDE // 2 if average else math.ceil(PATCHES_PER_SIDE / 2)
    merge = config.get("mm_patch_merge_type", "flat")
    if not merge.startswith("spatial"):
        return frames * side * side
    newline = config.get("mm_newline_position", "one_token")
    if newline == "grid":
        return frames * side * (side + 1)
    if newline == "frame":
        return frames * (side * side + 1)
    return frames * side * side + (newline == "one_token" and "unpad" in merge)


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's config.json."""
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{folder / 'config.json'} holds no JSON object")
    return content


def find_model(model: str, revision: str | None, tower: str | None) -> tuple[Path, dict[str, Any]]:
    """The folder of the weights (a hub id is downloaded) and their configuration, with the tower that is to be used.

    Before anything imports a hub library: where all that is needed is here, the hub is not asked. LLaVA-NeXT would
    ask it for the tokenizer of another model whenever it is imported, and wait long where there is no network.
    """
    folder = Path(model)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(model, revision=revision))
    config = read_config(folder)
    if tower:
        config["mm_vision_tower"] = tower
    needed = config.get("mm_vision_tower")
    if not needed:
        raise SystemExit(f"{folder}: config.json names no mm_vision_tower; is this a LLaVA model?")
    if "huggingface_hub" not in sys.modules and (Path(needed).is_dir() or _is_cached(needed)):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return folder.resolve(), config


def _is_cached(repository: str) -> bool:
    """Whether the hub's cache holds weights of this repository at its pinned, or else its newest known revision."""
    commit = hub_pins.commits().get(repository) or hub_pins.cached_commit(repository)
    snapshot = hub_pins.cache_folder(repository) / "snapshots" / (commit or "none")
    return any(snapshot.glob("*.safetensors")) or any(snapshot.glob("*.bin"))


def use_tower(config: Mapping[str, Any]) -> None:
    """Load a vision tower from a local folder as the SigLIP it is; LLaVA-NeXT takes any local folder for a CLIP.

    One from the hub is loaded at its pinned commit.
    """
    hub_pins.apply()
    tower = config["mm_vision_tower"]
    kind = read_config(Path(tower)).get("model_type", "") if Path(tower).is_dir() else ""
    if kind.startswith("siglip"):
        from llava.model import llava_arch
        from llava.model.multimodal_encoder.siglip_encoder import SigLipVisionTower

        llava_arch.build_vision_tower = lambda settings, **options: SigLipVisionTower(tower, settings, **options)
