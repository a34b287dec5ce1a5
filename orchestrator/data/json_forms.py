"""The JSON forms of a split, as rows: arrays of objects or JSON lines, each with a question and an answer.

Either what the benchmark's inference script reads, ``{id, video, conversations: [{value: utterance}, {value: "emotion:
Joy"}]}``, or the toolkits' released training files (LLaMA-Factory, LLaVA-NeXT, ms-swift, VideoLLaMA2), whose questions
hold the utterance between the known words of the released prompts (thuiar/MMLA at commit 48efd63).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from orchestrator.data.forms import FormRow
from orchestrator.data.lines import json_lines
from orchestrator.data.notes import Notes

# the utterance in a released prompt: the greedy group ends at the last `Based on`; Swift's IEMOCAP files have a full
# stop in place of the space before it, and Swift's mixed test set no space behind `says:`
_PROMPT = re.compile(
    r"(?:<(?:image|video)>\n?)?(?:The speaker|You are presented with a video in which the speaker) says: ?(.*)[ .]"
    r"Based on the text(?:, video, and audio content)?, what is the [^\n]+ of this speaker\?\n"
    r"The candidate labels for .*",
    re.DOTALL,
)
_BLANK = re.compile(r"[ \t\r\n]*")


def json_rows(text: str, notes: Notes) -> Iterator[FormRow]:
    """The objects of a JSON array, or of JSON lines, each with the physical line it starts on."""
    start = _BLANK.match(text)
    at = start.end() if start else 0
    if at == len(text):
        notes.add("the file is empty", 1)
        return
    for line, item in _array(text, at, notes) if text[at] == "[" else json_lines(text):
        yield _row(item, line, notes)


def _array(text: str, at: int, notes: Notes) -> Iterator[tuple[int, Any]]:
    """The items of one array, decoded one by one: their lines are known, and an error costs only what follows it."""
    decode = json.JSONDecoder().raw_decode
    line, counted = 1, 0

    def skip(at: int) -> int:
        nonlocal line, counted
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        line += text.count("\n", counted, at)
        counted = at
        return at

    at = skip(at + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        try:
            item, end = decode(text, at)
        except (ValueError, RecursionError) as error:
            where = getattr(error, "lineno", line)
            notes.add(f"not valid JSON: {getattr(error, 'msg', error)}", where, "what follows was not read")
            return
        yield line, item
        at = skip(end)
        after = text[at : at + 1]
        if after != ",":
            rest = skip(at + 1)
            if after != "]" or rest != len(text):
                message = (
                    f"`{after or 'end of file'}` where `,` or `]` must stand" if after != "]" else "text after `]`"
                )
                notes.add(f"not valid JSON: {message}", line, "what follows was not read")
            return
        at = skip(at + 1)


def _row(item: Any, line: int, notes: Notes) -> FormRow:
    if isinstance(item, Exception):
        notes.add(f"not valid JSON: {getattr(item, 'msg', item)}", line, "each line must hold one object")
        return None
    turns = _turns(item) if isinstance(item, dict) else None
    if turns is None:
        notes.add("no question and answer", line,
                  'needs `conversations` or `messages` with two texts, or `query` and `response`')  # fmt: skip
        return None
    question, answer = turns
    match = _PROMPT.fullmatch(question)
    if match is None and ("\nThe candidate labels for " in question or "Respond in the format" in question):
        notes.add("a prompt of unknown form: its utterance cannot be told", line,
                  "it must be one of the released forms, or the bare utterance")  # fmt: skip
        return None
    video = _video(item)
    name = item.get("id")
    if video and not (isinstance(name, str) and name.strip() and not name.isdigit()):
        name = None  # a running number, which says nothing: the video's name is the id
    elif isinstance(name, bool) or not isinstance(name, (str, int)):
        name = ""
    text = match[1] if match else question
    values = (None if name is None else str(name), video, text, answer.partition(":")[2] or answer)
    if bad := next((value for value in values if value and ("\0" in value or _lone(value))), None):
        notes.add(f"`{ascii(bad)[1:-1][:60]}` holds a NUL or half a surrogate pair", line, "it must be proper text")
        return None
    return (line, *values)


def _turns(item: dict[str, Any]) -> tuple[str, str] | None:
    """The last question and answer of an item."""
    turns: list[Any] = [item.get("query"), item.get("response")]
    for key in ("conversations", "messages"):
        if isinstance(item.get(key), list):
            turns = [turn.get("value", turn.get("content")) if isinstance(turn, dict) else None for turn in item[key]]
    if len(turns) < 2 or not isinstance(turns[-2], str) or not isinstance(turns[-1], str):
        return None
    return turns[-2], turns[-1]


def _video(item: dict[str, Any]) -> str | None:
    """The video, under whichever key the formats have it (LLaVA's released files say `images`)."""
    for key in ("video", "videos", "images", "image"):
        value = item.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str):
            return value
    return None


def _lone(text: str) -> bool:
    """Whether a text holds half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    return not text.isascii() and re.search("[\ud800-\udfff]", text) is not None


def local_name(video: str, folder: str) -> str:
    """A video as the folder here has it: released files name it by the absolute path of another machine."""
    if not video.startswith("/") or video.startswith(f"{folder.rstrip('/')}/"):
        return video
    return video.rpartition("/video/")[2] if "/video/" in video else PurePosixPath(video).name
