from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.running import call
from tests.shared import ROOT


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
