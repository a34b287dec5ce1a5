"""The layouts of the files released for LLaMA-Factory (thuiar/MMLA at commit 48efd63), see `toolkits.released`."""

from __future__ import annotations

from typing import Any

from orchestrator.benchmark.task import dataset_of
from orchestrator.prompts.examples import Example
from orchestrator.toolkits.base import Layout
from orchestrator.toolkits.formats import turns
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise
from orchestrator.toolkits.released import old_name, value_first

# data sets whose text files spell a turn {from, value}; all other files spell it {value, from}
FROM_FIRST = frozenset({"MIntRec", "MIntRec2.0", "MELD", "MELD-DA"})


def _text(number: int, question: str, example: Example) -> dict[str, Any]:
    sample = example.sample
    conversation = turns if dataset_of(sample.task) in FROM_FIRST else value_first
    video = old_name(sample.video or f"{sample.id}.mp4")
    return {"id": number, "video": video, "conversations": conversation(question, example.answer)}


def _video(number: int, question: str, example: Example) -> dict[str, Any]:
    video = example.sample.video
    videos = [video] if video else []
    return {"id": number, "videos": videos, "conversations": value_first(question, example.answer)}


LAYOUTS = {
    "text": Layout("text", _text, neutralise),
    "video": Layout("video", _video, neutralise, media="<video>"),
}
