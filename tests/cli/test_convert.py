from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.benchmark.task import benchmark_tasks
from orchestrator.cli.convert import Conversion, convert_split
from orchestrator.data.samples import read_split
from orchestrator.errors import InputError
from tests.released_data import LAYOUTS, demo_split
from tests.running import call
from tests.shared import MMLA, ROOT, needs_mmla


def test_a_file_and_what_is_said_of_it(demo: Path, tmp_path: Path) -> None:
    out = tmp_path / "dev.json"
    options = ("--task", "demo", "--split", "dev", "--toolkit", "llamafactory", "--data-root", demo)
    assert call("convert", *options, "--limit", 3, "--out", out) == f"3 rows: {out}\n"
    assert len(json.loads(out.read_text())) == 3
    assert json.loads(call("convert", *options, "--limit", 3, "--out", "-")) == json.loads(out.read_text())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data", "dev.json"]


def test_a_file_that_cannot_be_written(demo: Path, tmp_path: Path) -> None:
    options = ("--task", "demo", "--toolkit", "swift", "--data-root", demo)
    for out, why in ((tmp_path / "no" / "file", "No such file or directory"), (demo, "Is a directory")):
        assert call("convert", *options, "--out", out, code=2) == (
            f"error: {out}: {why}\n    give another file with --out\n"
        )
    assert list(tmp_path.iterdir()) == [demo]


def test_videos_are_asked_for_and_none_is_named(demo: Path, tmp_path: Path) -> None:
    options = ("--task", "demo", "--toolkit", "swift", "--modality", "video", "--data-root", demo)
    said = call("convert", *options, "--out", tmp_path / "out", code=2)
    assert "train.tsv: 40 of 40 samples name no video" in said
    assert "unknown split `trian`" in call("convert", *options, "--split", "trian", "--out", tmp_path / "out", code=2)
    assert not (tmp_path / "out").exists()


def test_a_pipe_that_closes(demo: Path) -> None:
    convert = f"{sys.executable} -m orchestrator convert --task demo --toolkit llamafactory --data-root {demo} --out -"
    done = subprocess.run(["bash", "-c", f"{convert} | head -1"], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[\n", "")


@needs_mmla
@pytest.mark.parametrize(
    ("name", "task", "split", "toolkit", "modality"),
    [
        ("llamafactory_text_MIntRec_dev.json", "MIntRec", "dev", "llamafactory", "text"),
        ("llamafactory_text_MUStARD_dev.json", "MUStARD", "dev", "llamafactory", "text"),
        ("llamafactory_video_MIntRec_dev.json", "MIntRec", "dev", "llamafactory", "video"),
        ("llava_next_MIntRec_dev.json", "MIntRec", "dev", "llava_next", "video"),
        ("swift_MIntRec_dev.jsonl", "MIntRec", "dev", "swift", "video"),
        ("videollama2_MUStARD_train.json", "MUStARD", "train", "videollama2", "video"),
    ],
)
@pytest.mark.parametrize("template", [None, "{root}/{dataset}/video"])
def test_equals_the_released_file(
    tmp_path: Path, name: str, task: str, split: str, toolkit: str, modality: str, template: str | None
) -> None:
    root, out = MMLA / "text", tmp_path / "out"
    videos = template or f"/data/MMLA/{task}/video"
    convert_split(Conversion(task, toolkit, split, modality, "released", root, videos), str(out))
    written = out.read_bytes()
    if template:
        written = written.replace(str(root).encode(), b"/data/MMLA")
    assert written == (MMLA / "released" / name).read_bytes()


@pytest.mark.parametrize(("toolkit", "modality"), LAYOUTS)
def test_what_convert_writes_can_be_read_again(
    tmp_path: Path, toolkit: str, modality: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader of released files finds what was there: texts, labels, clips (which need not exist)."""
    layout = LAYOUTS[toolkit, modality]
    for task in benchmark_tasks("mmla").values():
        demo_split(tmp_path / "data", task, "train")
        again = tmp_path / "again" / task.dataset
        again.mkdir(parents=True)
        suffix = "jsonl" if layout.lines else "json"
        conversion = Conversion(
            task.name, toolkit, "train", modality, "released", tmp_path / "data", "/gone/{dataset}/video"
        )
        convert_split(conversion, str(again / f"train.{suffix}"))
        first = read_split(task, "train", tmp_path / "data", "/gone/{dataset}/video")
        second = read_split(task, "train", tmp_path / "again", "/gone/{dataset}/video")
        assert [(one.text, one.label) for one in second] == [(one.text, one.label) for one in first]
        if layout.media and task.name != "Ch-sims":
            assert [one.video for one in second] == [one.video for one in first]
    convert_split(Conversion("MELD", toolkit, "train", modality, "released", tmp_path / "data"), "-")
    assert capsys.readouterr().out.startswith("{" if layout.lines else "[\n    {\n")


@pytest.mark.parametrize(
    ("toolkit", "modality", "protocol", "message"),
    [
        ("swift", "text", "released", "the release has no text files for swift"),
        ("videollama2", "text", "released", "the release has no text files for videollama2"),
        ("llava_nxt", "video", "released", "unknown toolkit `llava_nxt`"),
        ("nothing", "video", "mmla", "unknown toolkit `nothing`"),
        ("llamafactory", "video", "relesed", "unknown protocol `relesed`"),
    ],
)
def test_convert_refuses(tmp_path: Path, toolkit: str, modality: str, protocol: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        convert_split(Conversion("MELD", toolkit, "dev", modality, protocol, tmp_path), str(tmp_path / "o"))
    assert not (tmp_path / "o").exists()


def test_convert_wants_a_video_for_every_sample(tmp_path: Path) -> None:
    out, path = tmp_path / "o", tmp_path / "MELD" / "dev.tsv"
    path.parent.mkdir()
    path.write_text("id\tUtterance\tMood\na\tHi\tjoy\nb\tHo\tjoy\n")

    def convert(modality: str, columns: str = "text=Utterance,label=Mood") -> str:
        convert_split(
            Conversion("MELD", "llamafactory", "dev", modality, data_root=tmp_path, columns=columns), str(out)
        )
        return out.read_text()

    with pytest.raises(InputError, match=r"dev\.tsv: 2 of 2 samples name no video") as raised:
        convert("video")
    assert not out.exists()
    assert "--video-root" in str(raised.value)
    assert "Ho" in convert("text")
    (tmp_path / "MELD" / "video").mkdir()
    for name in ("a", "b"):
        (tmp_path / "MELD" / "video" / f"{name}.mp4").touch()
    assert f"{tmp_path}/MELD/video/b.mp4" in convert("video")
    with pytest.raises(InputError, match="unknown task `MELDD`"):
        convert("text", "MELDD.text=Utterance")
