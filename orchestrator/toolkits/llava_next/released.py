"""The layouts of the files released for LLaVA-NeXT (thuiar/MMLA at commit 48efd63), see `toolkits.released`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from orchestrator.benchmark.task import dataset_of
from orchestrator.prompts.examples import Example
from orchestrator.toolkits.base import Layout
from orchestrator.toolkits.formats import turns
from orchestrator.toolkits.llava_next.inside.model import neutralise
from orchestrator.toolkits.released import old_name


def _video(number: int, question: str, example: Example) -> dict[str, Any]:
    video = example.sample.video
    if video and dataset_of(example.sample.task) == "Ch-sims":
        video = str(PurePosixPath(video).with_name(old_name(video)))
    # `images` is the release's error: LLaVA-NeXT reads `image` and `video`
    images = {"images": video} if video else {}
    return {"id": number, "conversations": turns(question, example.answer), **images}


LAYOUTS = {"video": Layout("video", _video, neutralise, media="<image>\n")}
