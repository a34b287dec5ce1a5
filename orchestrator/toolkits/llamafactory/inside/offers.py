"""LLaMA-Factory's chat templates, and which of them show a video or let a sound be heard: its own check is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from orchestrator.inside.offers import made_with, reports, write

MEDIA = {"video": "videos", "audio": "audios"}
# has all that a processor can have, so that the template alone decides
PROCESSOR = SimpleNamespace(image_processor=object(), video_processor=object(), feature_extractor=object())


def takes(plugin: Any, medium: str) -> bool:
    """Whether a template's plugin takes a clip of that kind, or says that the model does not."""
    given: dict[str, list[str]] = {"images": [], "videos": [], "audios": []}
    given[MEDIA[medium]].append("clip.mp4")
    try:
        plugin._validate_input(PROCESSOR, **given)
    except ValueError:
        return False
    return True


def refused(plugin: Any, processor: Any) -> bool:
    """Whether a plugin hands a video processor pictures beside the video, which the newer ones of transformers refuse.

    Whatever else goes wrong is for want of the model's own processor, which knows other arguments than this one.
    """
    from PIL import Image

    video = [Image.new("RGB", (56, 56)) for _ in range(4)]
    try:
        plugin._get_mm_inputs([], [video], [], processor)
    except TypeError as error:
        return "unexpected keyword argument 'images'" in str(error)
    except Exception:
        return False
    return False


def table() -> dict[str, Any]:
    """All of it."""
    from llamafactory.data.template import TEMPLATES
    from transformers import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    parts = {"image_processor": Qwen2VLImageProcessor(), "video_processor": Qwen2VLVideoProcessor()}
    processor = SimpleNamespace(**parts, model_input_names=[])
    plugins = {name: one.mm_plugin for name, one in sorted(TEMPLATES.items())}
    media = {medium: [name for name, one in plugins.items() if takes(one, medium)] for medium in MEDIA}
    fails = [name for name in media["video"] if refused(plugins[name], processor)]
    return {
        "made_with": made_with("llamafactory"),
        "template": list(plugins),
        "video": [name for name in media["video"] if name not in fails],
        "video_fails": fails,
        "audio": media["audio"],
        "report_to": reports(),
    }


def main() -> None:
    """Write it."""
    write(table())
