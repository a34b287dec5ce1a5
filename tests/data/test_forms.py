"""The forms that data comes in: other columns, no header, other names of files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.data.forms import columns_conflict
from orchestrator.data.samples import split_file
from tests.data.splits import MELD, ROW, check, problems, read, turns, write


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


def test_columns_of_one_task() -> None:
    assert columns_conflict({"MIntRec2.0.text": "a", "MELD.id": "b", "label": "c"}) is None
    assert columns_conflict({"meld.text": "a"}) == ("`meld.text`: unknown task `meld`", "did you mean `MELD`?")


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


@given(st.lists(ROW, min_size=1, max_size=12), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_rows_in_are_samples_and_problems(rows: list[Any], bom: bool, end: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "video", "text", "label"])
    for *cells, shape in rows:
        writer.writerow(cells if shape else cells[:3])
    check(("\ufeff" if bom else "") + buffer.getvalue(), "test.tsv", len(rows))


def test_an_id_that_counts_within_a_dialogue(tmp_path: Path) -> None:
    head = "Sr No.\tUtterance\tEmotion\tDialogue_ID\tUtterance_ID\n"
    write(tmp_path, head + "1\tfine\tneutral\t0\t0\n")  # though no id repeats in these rows
    (message,) = problems(tmp_path)
    assert message.startswith("/MELD/test.tsv:1: the column `Utterance_ID` is no id: it counts within `Dialogue_ID`\n")
    assert "such as MELD_12_3" in message
    assert "data.columns: {id: NAME}" in message
    assert read(tmp_path, {"id": "Sr No."}) == [("1", "fine", "neutral", None)]
    for head, name in (("utterance_id", "7"), ("dialogue_id\tutterance_id", "0\tdia0_utt7")):  # these may well be ids
        write(tmp_path, f"{head}\ttext\tlabel\n{name}\tfine\tneutral\n")
        assert read(tmp_path) == [(name.split("\t")[-1], "fine", "neutral", None)]


def test_an_id_in_two_columns(tmp_path: Path) -> None:
    for head in ("video_id", "Video ID", "videoid"):
        write(tmp_path, f"{head}\tclip_id\ttext\tlabel\nv1\t1\tfine\tjoy\n")
        (message,) = problems(tmp_path)
        assert f"no column `id` (found: {head}, clip_id, text, label)" in message
        assert "where several columns together are the id, write one that joins them" in message


def test_a_first_line_that_is_no_header_is_shown_short(tmp_path: Path) -> None:
    write(tmp_path, "".join(f"column {at}\t" for at in range(10_000)))
    (message,) = problems(tmp_path)
    assert len(message) < 1000


def test_a_header_that_cannot_be_seen_whole_or_stands_twice(tmp_path: Path) -> None:
    write(tmp_path, "id\u200b\ttext\tlabel\n1\tHi\tjoy\n")
    (message,) = problems(tmp_path)
    assert "no column `id` (found: id<U+200B>, text, label)\n    remove U+200B (zero width space); " in message
    head = "id\ttext\tlabel\n"
    write(tmp_path, f"{head}1\tHi\tjoy\n{head}2\tHi\tjoy\n{head}")
    assert problems(tmp_path) == [
        "/MELD/test.tsv:3: the header stands here again: were two files joined? (also on line 5)\n    remove this line"
    ]


def test_a_quote_at_the_start_of_a_text(tmp_path: Path) -> None:
    write(tmp_path, 'id\ttext\tlabel\n1\t"Yeah", he said\tjoy\n2\t"No" she said\tjoy\n')
    (message,) = problems(tmp_path)
    assert message.startswith(
        "/MELD/test.tsv:2: not valid TSV: text follows a closing quote (also on line 3)\n    a text "
    )


def test_commas_in_place_of_tabs(tmp_path: Path) -> None:
    write(tmp_path, "id,video,text,label\n1,1.mp4,Hi,joy\n")
    (message,) = problems(tmp_path)
    assert message.startswith("/MELD/test.tsv:1: not tab separated: the first line is one field, `id,video,text,label`")
