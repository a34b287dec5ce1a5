"""The layouts of the files released for ms-swift (thuiar/MMLA at commit 48efd63), see `toolkits.released`."""

from __future__ import annotations

from typing import Any

from orchestrator.prompts.examples import Example
from orchestrator.toolkits.base import Layout
from orchestrator.toolkits.swift.inside.utterance import neutralise


def _video(_number: int, question: str, example: Example) -> dict[str, Any]:
    video = example.sample.video
    return {"query": question, "response": example.answer, "videos": [video] if video else []}


LAYOUTS = {"video": Layout("video", _video, neutralise, lines=True)}
