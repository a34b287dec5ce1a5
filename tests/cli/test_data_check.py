from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.media import write_sounding, write_video
from tests.run.place import write_task
from tests.running import call
from tests.shared import MMLA, needs_mmla
from tests.tables import table, with_leaks


def test_the_demo_data_is_told_split_by_split(demo: Path) -> None:
    said = call("data", "check", "--data-root", demo, "--task", "demo")
    lines = said.splitlines()
    assert lines[0].split() == ["task", "split", "rows", "published", "wrong", "labels", "most", "frequent", "repeated"]
    assert lines[1].split()[:6] == ["demo", "train", "40", "1,200", "0", "4/4"]
    assert re.search(r"^  demo dev: statement \d \(\d+\.\d\d%\), \w+ \d", said, re.M)
    assert "leakage: rows of a split that stand in a training split\n" in said
    assert "  demo train: 40 of 1,200 published rows (1,160 missing)" in said
    assert said.endswith("\nsound\n")


def test_a_label_that_is_none(demo: Path) -> None:
    file = demo / "Demo" / "dev.tsv"
    file.write_text(file.read_text().replace("\tquestion\n", "\tquestoin\n", 1))
    said = call("data", "check", "--data-root", demo, "--task", "demo", code=1)
    assert "problems:\n" in said
    assert said.endswith("\n1 problem(s)\n")
    data = json.loads(call("data", "check", "--data-root", demo, "--task", "demo", "--json", code=1))
    assert list(data) == ["sound", "splits", "leaks", "text_leaks", "problems", "warnings"]
    assert (data["sound"], len(data["problems"])) == (False, 1)


def test_videos_have_columns(demo: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    file = demo / "Demo" / "test.tsv"
    file.write_text(file.read_text().replace("\t\t", "\tgood.mp4\t"))
    (demo / "Demo" / "video").mkdir()
    write_video(demo / "Demo" / "video" / "good.mp4")
    options = ("--data-root", demo, "--task", "demo", "--videos", "--runs-dir", tmp_path / "runs")
    lines = call("data", "check", *options, code=1).splitlines()
    assert lines[0].endswith("repeated  videos  to repair  bad")
    assert lines[3].split()[-3:] == ["8", "0", "0"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_leaks(tmp_path)


def check(*arguments: object, code: int = 0) -> str:
    return call("data", "check", *arguments, code=code)


def test_command(root: Path) -> None:
    output = check("--data-root", root)
    assert "MELD-DA  test   2     MELD         1 (50.0%)" in output
    assert "IEMOCAP: no data" in output
    assert output.endswith("sound\n")
    # the other task's training split counts although only one task is looked at
    output = check("--data-root", root, "--task", "MELD-DA")
    assert "MELD-DA  test   2     MELD         1 (50.0%)" in output
    assert "MELD-DA train: " in output
    assert "answer 1 (100.00%)" in output
    data = json.loads(check("--data-root", root, "--task", "MELD", "--json"))
    assert data["sound"] is True
    assert data["splits"][0]["published"] == 9989


def test_the_same_text_in_a_training_split(root: Path) -> None:
    long = "This is said in both of them."
    for name in ("MELD", "MUStARD"):
        table(root, name, "train", ("3_3", long, "joy" if name == "MELD" else "sincere"))
    table(root, "MUStARD", "test", ("1_2", long.upper(), "sincere"), ("1_3", "Ho", "sincere"))
    output = check("--data-root", root, "--task", "MUStARD")
    assert "\nthe same text in a training split, from 6 words on (12 characters in Chinese)\n" in output
    assert "MUStARD  test   2     MELD         1 (50.0%)  text\n" in output
    assert "MUStARD  test   2     MUStARD      1 (50.0%)  (one source)\n" in output
    data = json.loads(check("--data-root", root, "--task", "MUStARD", "--json"))
    assert [(leak["train"], leak["text"], leak["within"]) for leak in data["text_leaks"]] == [
        ("MUStARD", 1, True), ("MELD", 1, False)
    ]  # fmt: skip


@needs_mmla
def test_all_pairs_fit_a_terminal() -> None:
    output = check("--data-root", MMLA / "text")
    found = output[output.index("\nthe same text in a training split") : output.index("\nwarnings:")]
    leaks = output[output.index("\nleakage:") : output.index("\nthe same text")]
    assert max(map(len, (found + leaks).splitlines())) <= 80
    assert len(found.splitlines()) == 40


def test_what_is_wrong(root: Path) -> None:
    table(root, "MELD", "dev", ("MELD_0_1", "Hi", "joy"), ("a", "Hi", "joi"), ("b", "Hi", "joy"), ("b", "Hi", "joy"))
    output = check("--data-root", root, "--task", "MELD", code=1)
    assert "dev.tsv:3: `joi` is not a label of MELD" in output
    assert "dev.tsv:5: the id `b` was on line 4 already" in output
    assert "MELD: train and dev share 1 ids: MELD_0_1" in output
    data = json.loads(check("--data-root", root, "--task", "MELD", "--json", code=1))
    assert [(row["rows"], row["wrong"]) for row in data["splits"]] == [(3, 0), (4, 2), (2, 0)]
    table(root, "MELD", "dev", *((str(at), "Hi", f"x{at}") for at in range(100)))
    assert "and 80 more problems" in check("--data-root", root, "--task", "MELD", code=1)


def test_videos(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    videos = root / "MELD" / "video"
    videos.mkdir()
    for name in ("0_1", "0_2", "9_1"):
        write_video(videos / f"MELD_{name}.mp4")
    (videos / "MELD_0_3.mp4").touch()
    runs = tmp_path / "runs"
    output = check("--data-root", root, "--task", "MELD", "--videos", "--runs-dir", runs, code=1)
    assert "MELD_0_3.mp4: the video is empty" in output
    assert "MELD_9_2.mp4: the video is missing" in output
    assert len(json.loads((runs / ".cache" / "videos.json").read_text())["videos"]) == 3
    for name in ("0_3", "9_2"):
        write_video(videos / f"MELD_{name}.mp4")
    data = json.loads(check("--data-root", root, "--task", "MELD", "--videos", "--runs-dir", runs, "--json"))
    assert [row.get("videos") for row in data["splits"]] == [3, None, 2]


def test_a_video_that_several_rows_name_is_told_once(root: Path) -> None:
    pytest.importorskip("av")
    (root / "MELD" / "video").mkdir()
    write_video(root / "MELD" / "video" / "Other.mp4")
    for split in ("train", "dev", "test"):
        rows = [f"{split}_{number}\tgone.mp4\tHi\tjoy" for number in range(3)]
        (root / "MELD" / f"{split}.tsv").write_text("\n".join(["id\tvideo\ttext\tlabel", *rows, ""]))
    options = ("--data-root", root, "--task", "MELD", "--videos", "--json", "--runs-dir", root / "runs")
    data = json.loads(check(*options, code=1))
    assert [problem["message"] for problem in data["problems"]] == ["the video is missing"]
    assert [row["videos_bad"] for row in data["splits"]] == [1, 1, 1]


@pytest.mark.parametrize("named", [True, False])
def test_a_task_of_ones_own_without_a_clip(tmp_path: Path, named: bool) -> None:
    """Of rows that name clips, all are missing; rows that name none are of text alone."""
    write_task(tmp_path)
    for file in (tmp_path / "Humour").glob("*.tsv") if named else ():
        head, *rows = file.read_text().splitlines()
        with_clips = [f"{head}\tvideo", *(f"{row}\t{at}.mp4" for at, row in enumerate(rows))]
        file.write_text("\n".join([*with_clips, ""]))
    options = ("--data-root", tmp_path, "--task", "Humour", "--runs-dir", tmp_path / "runs")
    said = check(*options, "--videos", code=int(named))
    none = f"there are no videos of Humour in {tmp_path}/Humour/video\n"
    assert ("Humour/video/0.mp4: the video is missing" in said, none in said) == (named, not named)
    assert f"{16 if named else 0} videos: 0 repaired" in call("data", "repair", *options, code=int(named))


def test_a_benchmarks_task_without_published_videos(root: Path) -> None:
    table(root, "IEMOCAP", "test", ("a", "Hi", "neutral"))
    said = check("--data-root", root, "--task", "IEMOCAP", "--videos", "--runs-dir", root / "runs")
    assert f"there are no videos of IEMOCAP in {root}/IEMOCAP/video; the benchmark publishes none\n" in said


def test_a_clip_of_sound_alone_is_a_remark(tmp_path: Path) -> None:
    pytest.importorskip("av")
    write_task(tmp_path)
    (tmp_path / "Humour" / "video").mkdir()
    tone = np.sin(np.arange(16_000) / 10)[None]
    write_sounding(tmp_path / "Humour" / "video" / "a.wav", tone, frames=0, codec="pcm_s16le")
    for split in ("train", "dev", "test"):
        (tmp_path / "Humour" / f"{split}.tsv").write_text(f"id\tvideo\ttext\tlabel\n{split}\ta.wav\t{split}\tfunny\n")
    options = ("--data-root", tmp_path, "--task", "Humour", "--runs-dir", tmp_path / "runs")
    said = check(*options, "--videos")
    assert "Humour train: 1 of 1 clips are sound alone: for data.modality: audio\n" in said
    assert call("data", "repair", *options).endswith("1 videos: 0 repaired, 1 were sound, 0 cannot be repaired\n")


def test_repair(root: Path) -> None:
    av = pytest.importorskip("av")
    videos, options = root / "MELD" / "video", ("--data-root", root, "--task", "MELD", "--runs-dir", root / "runs")
    videos.mkdir()
    for name in ("MELD_0_1", "MELD_0_2", "MELD_9_1"):
        write_video(videos / f"{name}.mp4")
    with av.open(str(videos / "MELD_0_2.mp4")) as source, av.open(str(videos / "a.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    (videos / "MELD_0_3.mp4").symlink_to("a.mkv")
    (videos / "MELD_9_2.MP4").write_bytes((videos / "MELD_9_1.mp4").read_bytes())
    before = {path: path.read_bytes() for path in videos.iterdir()}
    said = check(*options, "--videos", code=1)
    assert "MELD_0_3.mp4: not every toolkit is given what it shows: its header does not say how many frames" in said
    assert "there is `MELD_9_2.MP4` in its folder" in said

    said = call("data", "repair", *options, code=1)
    copy = videos / ".repaired" / f"MELD_0_3.mp4.{(videos / 'a.mkv').stat().st_size}.mp4"
    assert f"-> {copy}: 8 frames, 10 a second, 96 x 64\n" in said
    assert "MELD_9_2.mp4: the video is missing" in said
    assert said.endswith("5 videos: 1 repaired, 3 were sound, 1 cannot be repaired\n")
    assert {path: path.read_bytes() for path in videos.iterdir() if path.is_file()} == before

    (videos / "MELD_9_2.MP4").rename(videos / "MELD_9_2.mp4")
    assert check(*options, "--videos").endswith("\nsound\n")
    assert call("data", "repair", *options).endswith("5 videos: 0 repaired, 5 were sound, 0 cannot be repaired\n")
