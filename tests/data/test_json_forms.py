"""Data that comes as JSON: conversations, requests, the toolkits' released files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.benchmark.task import tasks
from orchestrator.data.samples import Sample, read_split
from tests.data.splits import QUESTION, ROW, VIDEOS, check, problems, read, turns, write
from tests.shared import MMLA, needs_mmla


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (turns(), ("1", "Hi", "joy", "/MELD/video/1.mp4")),
        (turns(id="m_1"), ("m_1", "Hi", "joy", "/MELD/video/1.mp4")),
        (turns(video=None, id=7), ("7", "Hi", "joy", None)),
        (turns(video="/x/MELD/video/a/2.mp4"), ("2", "Hi", "joy", "/MELD/video/a/2.mp4")),
        (turns(video=["/else/3.mp4"]), ("3", "Hi", "joy", "/MELD/video/3.mp4")),
        (turns(answer="anger"), ("1", "Hi", "anger", "/MELD/video/1.mp4")),
        (turns(QUESTION.format("Hi.")), ("1", "Hi.", "joy", "/MELD/video/1.mp4")),
        (turns("<image>\n" + QUESTION.format("")), ("1", "", "joy", "/MELD/video/1.mp4")),
        (turns(QUESTION.format(" \n Based on the text, what is")),
         ("1", " \n Based on the text, what is", "joy", "/MELD/video/1.mp4")),
        # Swift's IEMOCAP and mixed files
        (turns(QUESTION.replace("{} Based", "{}.Based").format("Hi!")), ("1", "Hi!", "joy", "/MELD/video/1.mp4")),
        (turns(QUESTION.replace("says: ", "says:").format("Hi")), ("1", "Hi", "joy", "/MELD/video/1.mp4")),
        ({"query": "Hi", "response": "emotion: joy", "videos": ["4.mp4"]}, ("4", "Hi", "joy", "/MELD/video/4.mp4")),
        ({"messages": [{"role": "system", "content": "s"}, {"content": "Hi"}, {"content": "joy"}], "images": "5.mp4"},
         ("5", "Hi", "joy", "/MELD/video/5.mp4")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["test_emotion.json", "test.json", "test.jsonl", "swift_MELD_test.jsonl"])
def test_json(tmp_path: Path, item: dict[str, Any], expected: tuple[str, ...], name: str) -> None:
    write(tmp_path, json.dumps(item) if name.endswith("l") else [item], name)
    assert read(tmp_path) == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[]", [":1: no rows"]),
        (" \n", [":1: the file is empty"]),
        ('[\n{"id": 1},\n 5,\n null]', [":2: no question and answer (also on 2 more lines: 3, 4)"]),
        ("[{}, null]", [":1: no question and answer (also on line 1)"]),
        ('{"id": 1\n\n[5', [":1: not valid JSON: Expecting ',' delimiter (also on line 3)"]),
        # an object over several lines is one mistake: by id, as MUStARD's own file has it, or printed for people
        (
            '{\n "1_60": {"utterance": "Hi"},\n "1_70": {}\n}',
            [":1: not valid JSON: one object over 4 lines ({1_60, 1_70})"],
        ),
        (
            "\n" + json.dumps(turns(), indent=1) + "\n{}",
            [":2: not valid JSON: one object over 12 lines ({id, video, con"],
        ),
        (json.dumps({"1": turns(), "2": turns()}, indent=1)[:-9], [":23: not valid JSON: "]),
        (json.dumps([turns()]) + "x", [":1: not valid JSON: text after `]`"]),
        (json.dumps([turns()], indent=1)[:-2], ["not valid JSON: `end of file` where `,`"]),
        (json.dumps([turns(), turns()]), [":1: the id `1` was on line 1 already"]),
        (json.dumps([turns(answer="emotion: joi")]), [":1: ` joi` is not a label of MELD\n    did you mean `joy`?"]),
        (json.dumps([turns(QUESTION.format("Hi").replace("Based on", "From"))]), ["a prompt of unknown form"]),
        (json.dumps([turns("\ud800")]), [":1: `\\ud800` holds a NUL or half a surrogate pair"]),
        (json.dumps([turns(video="a\0.mp4")]), ["holds a NUL"]),
        (json.dumps([turns(video="../a.mp4")]), ["outside the video folder"]),
        (json.dumps([turns(video=3, id=[])]), ["empty id"]),
        ("[" * 100_000, ["not valid JSON"]),
        ("[" + "1" * 5000 + "]", ["not valid JSON"]),
    ],
)
def test_wrong_json(tmp_path: Path, content: str, expected: list[str]) -> None:
    write(tmp_path, content, "test.json")
    found = problems(tmp_path)
    assert len(found) == len(expected), found
    for message, part in zip(found, expected, strict=True):
        assert message.startswith("/MELD/test.json:")
        assert part in message


@given(st.lists(ROW, min_size=1, max_size=12), st.booleans(), st.sampled_from([None, 1]))
def test_items_in_are_samples_and_problems(rows: list[Any], lines: bool, indent: int | None) -> None:
    odd: list[Any] = [5, None, {}, {"conversations": [1, 2]}, {"query": "x"}]
    items = [
        odd[shape] if shape < len(odd) else turns(text if shape > 6 else QUESTION.format(text), f"emotion: {label}",
                                                  id=name, video=video)
        for name, video, text, label, shape in rows
    ]  # fmt: skip
    content = "\n".join(map(json.dumps, items)) if lines else json.dumps(items, indent=indent)
    check(content, "test.jsonl" if lines else "test.json", len(rows))


@needs_mmla
@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("llamafactory_text_MIntRec_dev.json", "dev"),
        ("llamafactory_video_MIntRec_dev.json", "dev"),
        ("llava_next_MIntRec_dev.json", "dev"),
        ("swift_MIntRec_dev.jsonl", "dev"),
        ("llamafactory_text_MUStARD_dev.json", "dev"),
        ("videollama2_MUStARD_train.json", "train"),
    ],
)
def test_released_files_are_the_benchmarks_text(tmp_path: Path, file: str, split: str) -> None:
    task = tasks()[file.split("_")[-2]]
    shutil.copy(MMLA / "released" / file, tmp_path)
    samples = read_split(task, split, tmp_path, VIDEOS)
    expected = read_split(task, split, MMLA / "text", VIDEOS)

    def lower(sample: Sample) -> tuple[str, str, str, str]:
        # the released text files write the prefix MUSTARD_
        return sample.id.lower(), sample.text, sample.label, str(sample.video).rpartition("/")[2].lower()

    assert list(map(lower, samples)) == list(map(lower, expected))
    assert all(str(sample.video).startswith(f"{tmp_path}/{task.name}/video/") for sample in samples)
