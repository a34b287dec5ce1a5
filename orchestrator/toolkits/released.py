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
from collections.abc import Iterable
from typing import Any, TextIO

from orchestrator.data.clips.copies import name_of
from orchestrator.errors import InputError
from orchestrator.prompts.examples import Example
from orchestrator.toolkits.base import Layout, Trainer
from orchestrator.toolkits.formats import turns

# raised when the same examples give other files
VERSION = 1
# the text files' names of videos, where they differ from those of the others (of Ch-sims, LLaVA-NeXT's are as these)
OLD_NAMES = re.compile(r"^MELD-DA_|^IEMOCAP-DA_|^MUStARD_|(?<=^Ch-sims_)csbdgs2_")
OLD = {"MELD-DA_": "MELD_", "IEMOCAP-DA_": "IEMOCAP_", "MUStARD_": "MUSTARD_", "csbdgs2_": "csbgs2_"}


def value_first(question: str, answer: str) -> list[dict[str, Any]]:
    """A conversation whose turns are spelled {value, from}."""
    return [{"value": turn["value"], "from": turn["from"]} for turn in turns(question, answer)]


def old_name(video: str) -> str:
    """A video's name in the older files."""
    return OLD_NAMES.sub(lambda match: OLD[match[0]], name_of(video))


def layout_of(trainer: Trainer, modality: str) -> Layout:
    """The layout of the files released for a toolkit, for text or video.

    Raises:
        InputError: the release has none.
    """
    if modality in trainer.layouts:
        return trainer.layouts[modality]
    if trainer.layouts:
        message = f"the release has no {modality} files for {trainer.name}"
        raise InputError(message, hint=f"its files are of modality {', '.join(trainer.layouts)}")
    raise InputError(f"the release has no files for a toolkit `{trainer.name}`")


def write_released(layout: Layout, examples: Iterable[Example], file: TextIO) -> int:
    """Write examples as the release does, one at a time; returns the number of rows.

    A system message is added at the end of a row: the release has none in its files, but in its toolkit's template.
    """
    encode = json.JSONEncoder(ensure_ascii=False, indent=None if layout.lines else 4).encode
    count = 0
    for example in examples:
        media = layout.media if example.sample.video else ""
        record = layout.record(count, media + layout.neutralise(example.prompt), example)
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
