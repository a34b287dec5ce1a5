from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.media import write_video
from tests.running import call


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
    assert list(data) == ["sound", "splits", "leaks", "problems", "warnings"]
    assert (data["sound"], len(data["problems"])) == (False, 1)


def test_videos_have_columns(demo: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    file = demo / "Demo" / "test.tsv"
    file.write_text(file.read_text().replace("\t\t", "\tgood.mp4\t"))
    (demo / "Demo" / "video").mkdir()
    write_video(demo / "Demo" / "video" / "good.mp4")
    options = ("--data-root", demo, "--task", "demo", "--videos", "--runs-dir", tmp_path / "runs")
    lines = call("data", "check", *options, code=1).splitlines()
    assert lines[0].endswith("repeated  videos  bad")
    assert lines[3].split()[-2:] == ["8", "0"]
