"""The forms that data comes in: other columns, no header, JSON with conversations, the toolkits' released files."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data.forms import ColumnNames, columns_conflict
from orchestrator.data.samples import Sample, read_split, scan_split, split_file
from orchestrator.errors import InputError
from orchestrator.recipe.sections import Data
from tests.shared import MMLA, needs_mmla

VIDEOS = "{root}/{dataset}/video"
MELD, MINTREC = tasks()["MELD"], tasks()["MIntRec"]
QUESTION = (
    "You are presented with a video in which the speaker says: {} Based on the text, video, and audio content, what is "
    "the emotion of this speaker?\nThe candidate labels for emotion are: [neutral, joy]. Respond in the format: "
    "'emotion: [label]'. Only one label should be provided."
)


def write(root: Path, content: str | list[Any], name: str = "test.tsv", task: Task = MELD) -> Path:
    path = root / task.folders[0] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return path


def read(root: Path, columns: ColumnNames = None) -> list[tuple[str, str, str, str | None]]:
    samples = read_split(MELD, "test", root, VIDEOS, columns=columns)
    return [
        (sample.id, sample.text, sample.label, sample.video and sample.video.replace(str(root), ""))
        for sample in samples
    ]


def problems(root: Path, columns: ColumnNames = None) -> list[str]:
    with pytest.raises(InputError) as raised:
        read_split(MELD, "test", root, VIDEOS, columns=columns)
    return [str(problem).replace(str(root), "") for problem in raised.value.problems]


# tables


def test_mapped_columns(tmp_path: Path) -> None:
    write(tmp_path, "Clip Name\tUtterance\ttext\tMood\n1.mp4\tHi\tx\tJoy\n")
    columns = {"video": "clip name", "text": "Utterance", "MELD.label": "Mood", "label": "nowhere", "MOSI.id": "n"}
    assert read(tmp_path, columns) == [("1", "Hi", "joy", "/MELD/video/1.mp4")]  # the video's name serves as the id
    (message,) = problems(tmp_path, {"video": "clip name", "text": "Uterance", "label": "Mood"})
    assert ":1: no column `Uterance` (found: Clip Name, Utterance, text, Mood)" in message
    assert "did you mean `Utterance`?" in message


def test_a_running_number_is_no_id(tmp_path: Path) -> None:
    path = write(tmp_path, "index\tvideo\ttext\tlabel\n0\ta.mp4\tHi\tjoy\n")
    assert read(tmp_path) == [("a", "Hi", "joy", "/MELD/video/a.mp4")]
    path.write_text("index\ttext\tlabel\n0\tHi\tjoy\n", encoding="utf-8")
    (message,) = problems(tmp_path)
    assert "no column `id` (found: index, text, label)" in message
    assert "data.columns: {id: NAME}" in message
    assert read(tmp_path, {"id": "index"}) == [("0", "Hi", "joy", None)]


@pytest.mark.parametrize("columns", [["id", "video", "text", "label"], ("ID", "skip", "Text", "label")])
def test_no_header(tmp_path: Path, columns: list[str]) -> None:
    path = write(tmp_path, '\ufeff1\t1.mp4\t"two\r\nlines"\tjoy\r\n2\t2.mp4\tsay "hi"\tanger\r\n')
    (message,) = problems(tmp_path)
    assert message.startswith("/MELD/test.tsv:1: no header")
    assert "data.columns: [id, video, text, label]" in message
    videos = [f"/MELD/video/{at}.mp4" if "video" in columns else None for at in (1, 2)]
    assert read(tmp_path, columns) == [("1", "two\r\nlines", "joy", videos[0]), ("2", 'say "hi"', "anger", videos[1])]
    path.write_text("1\tHi\tjoy\n", encoding="utf-8")
    assert "3 fields, but data.columns lists 4" in problems(tmp_path, columns)[0]
    # a file with a header beside one without
    path.write_text("label\ttext\tid\njoy\tHi\t1\n", encoding="utf-8")
    assert read(tmp_path, columns) == [("1", "Hi", "joy", None)]


def test_videos_of_a_table_that_names_none(tmp_path: Path) -> None:
    write(tmp_path, "id\ttext\tlabel\na\tHi\tjoy\nb.mp4\tHo\tjoy\nc\tHa\tjoy\n")
    for name in ("a.avi", "b.mp4"):
        path = tmp_path / "MELD" / "video" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [video for *_, video in read(tmp_path)] == ["/MELD/video/a.avi", "/MELD/video/b.mp4", None]


def test_only_a_videos_suffix_is_cut(tmp_path: Path) -> None:
    rows = "".join(f"{name}\tHi\tjoy\n" for name in ("MUStARD_2.1", "MUStARD_2", "a", "b.MP4"))
    path = write(tmp_path, f"id\ttext\tlabel\n{rows}")
    videos = tmp_path / "MELD" / "video"
    videos.mkdir()
    for name in ("MUStARD_2.mp4", "a.mp4", "a.srt", "a.wav", "b.avi"):
        (videos / name).touch()
    found = {name: video and Path(video).name for name, *_, video in read(tmp_path)}
    assert found == {"MUStARD_2.1": None, "MUStARD_2": "MUStARD_2.mp4", "a": "a.mp4", "b.MP4": "b.avi"}
    # named in the video column, without their suffix; what is not there is told as it was named
    (videos / "c").mkdir()
    (videos / "c" / "MIntRec2.0_1.mkv").touch()
    rows = "".join(f"{name}\tHi\tjoy\n" for name in ("MUStARD_2.1", "MUStARD_2", "c/MIntRec2.0_1", "a.wav"))
    path.write_text(f"video\ttext\tlabel\n{rows}", encoding="utf-8")
    assert [(name, video) for name, *_, video in read(tmp_path)] == [
        ("MUStARD_2.1", "/MELD/video/MUStARD_2.1"),
        ("MUStARD_2", "/MELD/video/MUStARD_2.mp4"),
        ("MIntRec2.0_1", "/MELD/video/c/MIntRec2.0_1.mkv"),
        ("a.wav", "/MELD/video/a.wav"),
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"txt": "a"},
        {"text": " "},
        ["id", "text"],
        ["text", "label"],
        ["id", "text", "text", "label"],
        {"MELD.x": "a"},
        {"meld.text": "a"},
        {"MELDD.text": "a"},
        {".text": "a"},
    ],
)
def test_columns_that_cannot_be_meant(columns: Any) -> None:
    with pytest.raises(ValidationError):
        Data(root="x", columns=columns)


def test_columns_of_one_task() -> None:
    assert columns_conflict({"MIntRec2.0.text": "a", "MELD.id": "b", "label": "c"}) is None
    assert columns_conflict({"meld.text": "a"}) == ("`meld.text`: unknown task `meld`", "did you mean `MELD`?")


def test_columns_in_a_recipe() -> None:
    assert Data(root="x", columns={"text": "Utterance"}).columns == {"text": "Utterance"}
    assert Data(root="x", columns=["id", "text", "label"]).columns == ["id", "text", "label"]


# JSON


def turns(question: str = "Hi", answer: str = "emotion: Joy", **more: Any) -> dict[str, Any]:
    return {"id": 0, "video": "1.mp4", "conversations": [{"value": question}, {"value": answer}]} | more


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
        ('[\n{"id": 1},\n 5,\n null]', [":2: no question and answer", ":3: no question", ":4: no question"]),
        ("[{}, null]", [":1: no question and answer", ":1: no question and answer"]),
        ('{"id": 1\n\n[5', [":1: not valid JSON", ":3: not valid JSON"]),
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


def test_which_file_is_read(tmp_path: Path) -> None:
    root_file = tmp_path / "llava_next_MELD_test.json"
    root_file.write_text(json.dumps([turns("in the root")]))
    (tmp_path / "x_MELD-DA_test.json").write_text("[]")
    assert read(tmp_path) == [("1", "in the root", "joy", "/MELD/video/1.mp4")]
    for name in ["vl2_MELD_test.json", "test.jsonl", "test.json", "test_emotion.json"]:
        path = write(tmp_path, [], name)
        assert split_file(MELD, "test", tmp_path) == path
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld" / "test.tsv").touch()
    assert split_file(MELD, "test", tmp_path) == tmp_path / "meld" / "test.tsv"
    assert split_file(MELD, "test", tmp_path) != write(tmp_path, "")
    assert split_file(MELD, "test", tmp_path) == tmp_path / "MELD" / "test.tsv"
    assert split_file(MELD, "dev", tmp_path) is None


# nothing is dropped

field = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
row = st.tuples(field, field, field, st.sampled_from(["joy", "Anger", " sadness ", "joi", ""]), st.integers(0, 9))


@given(st.lists(row, min_size=1, max_size=12), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_rows_in_are_samples_and_problems(rows: list[Any], bom: bool, end: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "video", "text", "label"])
    for *cells, shape in rows:
        writer.writerow(cells if shape else cells[:3])
    check(("\ufeff" if bom else "") + buffer.getvalue(), "test.tsv", len(rows))


@given(st.lists(row, min_size=1, max_size=12), st.booleans(), st.sampled_from([None, 1]))
def test_items_in_are_samples_and_problems(rows: list[Any], lines: bool, indent: int | None) -> None:
    odd: list[Any] = [5, None, {}, {"conversations": [1, 2]}, {"query": "x"}]
    items = [
        odd[shape] if shape < len(odd) else turns(text if shape > 6 else QUESTION.format(text), f"emotion: {label}",
                                                  id=name, video=video)
        for name, video, text, label, shape in rows
    ]  # fmt: skip
    content = "\n".join(map(json.dumps, items)) if lines else json.dumps(items, indent=indent)
    check(content, "test.jsonl" if lines else "test.json", len(rows))


def check(content: str, name: str, count: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "MELD" / name
        path.parent.mkdir()
        path.write_bytes(content.encode())
        scan = scan_split(MELD, "test", Path(folder), VIDEOS)
        assert scan.rows == count
        assert len(scan.samples) <= count
        assert len(scan.problems) >= count - len(scan.samples)
        assert len(scan.samples) == count or scan.problems
        assert all(sample.id and sample.label in MELD.labels for sample in scan.samples)


# the benchmark's own files


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
