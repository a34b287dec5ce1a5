"""The layouts of the files released for VideoLLaMA2 (thuiar/MMLA at commit 48efd63), see `toolkits.released`."""

from __future__ import annotations

from typing import Any

from orchestrator.prompts.examples import Example
from orchestrator.toolkits.base import Layout
from orchestrator.toolkits.released import value_first
from orchestrator.toolkits.videollama2.inside.utterance import neutralise


def _video(number: int, question: str, example: Example) -> dict[str, Any]:
    video = {"video": example.sample.video} if example.sample.video else {}
    return {"id": number, **video, "conversations": value_first(question, example.answer)}


LAYOUTS = {"video": Layout("video", _video, neutralise, media="<video>\n")}
