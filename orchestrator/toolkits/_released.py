"""The layouts of the released files (thuiar/MMLA at commit 48efd63), written as they are, character by character.

Known, from the 114 files that could be read: the JSON files of LLaMA-Factory, LLaVA-NeXT and VideoLLaMA2 are indented
by four, end without a line break and number their rows from 0; Swift's are JSON lines. LLaMA-Factory's text files put
`from` before `value` for MIntRec, MIntRec2.0, MELD and MELD-DA, and after it for the other data sets.

Guessed, because no such file could be read: the train files of MELD, MELD-DA, IEMOCAP-DA, MIntRec2.0 and UR-FUNNY are
as those of dev; files of several tasks (instruction tuning) are numbered through.

Not reproduced, being of single files: Swift and VideoLLaMA2 leave out some samples of Ch-sims (12 and 7); Swift's
MELD-DA dev file names MELD's clips in MELD's folder; a stray blank line in VideoLLaMA2's MIntRec and one in Swift's
AnnoMi-client; one text of AnnoMi-therapist's dev split with a Windows line break in the video files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TextIO

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError, did_you_mean
from orchestrator.prompts.examples import Example
from orchestrator.runners.utterance import neutraliser
from orchestrator.toolkits._common import turns

# raised when the same examples give other files
VERSION = 1
# data sets whose text files spell a turn {from, value}; all other files of LLaMA-Factory spell it {value, from}
FROM_FIRST = frozenset({"MIntRec", "MIntRec2.0", "MELD", "MELD-DA"})
# the text files' names of videos, where they differ from those of the others (of Ch-sims, LLaVA-NeXT's are as these)
OLD_NAMES = re.compile(r"^MELD-DA_|^IEMOCAP-DA_|^MUStARD_|(?<=^Ch-sims_)csbdgs2_")
OLD = {"MELD-DA_": "MELD_", "IEMOCAP-DA_": "IEMOCAP_", "MUStARD_": "MUSTARD_", "csbdgs2_": "csbgs2_"}
# the released files hold nothing of what it changes
neutralise = neutraliser("llamafactory")

Record = dict[str, Any]


def _value_first(question: str, answer: str) -> list[Record]:
    return [{"value": turn["value"], "from": turn["from"]} for turn in turns(question, answer)]


def _old_name(video: str) -> str:
    return OLD_NAMES.sub(lambda match: OLD[match[0]], PurePosixPath(video).name)


def _llamafactory_text(number: int, question: str, example: Example) -> Record:
    sample = example.sample
    conversation = turns if tasks()[sample.task].dataset in FROM_FIRST else _value_first
    video = _old_name(sample.video or f"{sample.id}.mp4")
    return {"id": number, "video": video, "conversations": conversation(question, example.answer)}


def _llamafactory_video(number: int, question: str, example: Example) -> Record:
    video = example.sample.video
    videos = [video] if video else []
    return {"id": number, "videos": videos, "conversations": _value_first(question, example.answer)}


def _llava_next(number: int, question: str, example: Example) -> Record:
    video = example.sample.video
    if video and tasks()[example.sample.task].dataset == "Ch-sims":
        video = str(PurePosixPath(video).with_name(_old_name(video)))
    # `images` is the release's error: LLaVA-NeXT reads `image` and `video`
    images = {"images": video} if video else {}
    return {"id": number, "conversations": turns(question, example.answer), **images}


def _swift(_number: int, question: str, example: Example) -> Record:
    video = example.sample.video
    return {"query": question, "response": example.answer, "videos": [video] if video else []}


def _videollama2(number: int, question: str, example: Example) -> Record:
    video = {"video": example.sample.video} if example.sample.video else {}
    return {"id": number, **video, "conversations": _value_first(question, example.answer)}


@dataclass(frozen=True)
class Layout:
    """One kind of released file.

    ``name``: that of the prompt form in it; ``media``: the placeholder in front of a question about a video;
    ``record``: makes the row of a number, a question with its placeholder, and the example; ``lines``: JSON lines.
    """

    name: str
    toolkit: str
    modality: str
    media: str
    record: Callable[[int, str, Example], Record]
    lines: bool = False


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("llamafactory_text", "llamafactory", "text", "", _llamafactory_text),
        Layout("llamafactory_video", "llamafactory", "video", "<video>", _llamafactory_video),
        Layout("llava_next", "llava_next", "video", "<image>\n", _llava_next),
        Layout("swift", "swift", "video", "", _swift, lines=True),
        Layout("videollama2", "videollama2", "video", "<video>\n", _videollama2),
    )
}


def layout_of(toolkit: str, modality: str) -> Layout:
    """The layout of the released files of a toolkit for text or video.

    Raises:
        InputError: the release has none.
    """
    there = {layout.modality: layout for layout in LAYOUTS.values() if layout.toolkit == toolkit}
    if modality in there:
        return there[modality]
    if there:
        message = f"the release has no {modality} files for {toolkit}"
        raise InputError(message, hint=f"its files are of modality {', '.join(there)}")
    known = list(dict.fromkeys(layout.toolkit for layout in LAYOUTS.values()))
    hint = did_you_mean(toolkit, known) or f"it has files for {', '.join(known)}"
    raise InputError(f"the release has no files for a toolkit `{toolkit}`", hint=hint)


def write_released(layout: Layout, examples: Iterable[Example], file: TextIO) -> int:
    """Write examples as the release does, one at a time; returns the number of rows.

    A system message is added at the end of a row: the release has none in its files, but in its toolkit's template.
    """
    encode = json.JSONEncoder(ensure_ascii=False, indent=None if layout.lines else 4).encode
    count = 0
    for example in examples:
        media = layout.media if example.sample.video else ""
        record = layout.record(count, media + neutralise(example.prompt), example)
        if example.system is not None:
            record["system"] = example.system
        if layout.lines:
            file.write(encode(record) + "\n")
        else:
            # a line break inside a text is escaped, so these are the layout's own
            file.write(("[\n    " if count == 0 else ",\n    ") + encode(record).replace("\n", "\n    "))
        count += 1
    if not layout.lines:
        file.write("\n]" if count else "[]")
    return count
