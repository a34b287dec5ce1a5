"""The command `report`: which runs, tasks and utterances it shows, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.machine.files import atomic_write
from tests.running import call
from tests.scores.compare.made import samples, write_run
from tests.scores.page.parsed import data_of, unpacked


@pytest.mark.parametrize("suffix", [".csv", ".answers.jsonl.gz"])
def test_the_page_never_replaces_its_results(tmp_path: Path, suffix: str) -> None:
    path = write_run(tmp_path, "one", {"MELD": samples("joy", "joy")})
    link = tmp_path / "link"
    link.symlink_to(tmp_path / f"one{suffix}")
    before = link.read_bytes()
    assert "would replace results that it shows" in call("report", path, "--out", link, code=2)
    assert link.read_bytes() == before


def test_tasks_are_those_of_the_results(tmp_path: Path) -> None:
    held = {"Mine": samples("up", "up"), "Other": samples("up", "up")}
    one, two = write_run(tmp_path, "one", held), write_run(tmp_path, "two", {"MELD": samples("joy", "joy")})
    out = tmp_path / "page.html"
    assert "note: two is left out: it has none of these tasks" in call(
        "report", one, two, "--out", out, "--task", "Mine"
    )
    assert data_of(out.read_text(encoding="utf-8"))["metrics"]["acc"] == [{"Mine": 100.0}]
    said = call("report", one, two, "--out", out, "--task", "MOSI", "--task", "mine", code=2)
    assert "no run has results of MOSI\n    they are of Mine, Other, MELD" in said
    assert "no run has results of mine\n    did you mean `Mine`?" in said


def test_some_tasks_have_the_overall_score_of_these(tmp_path: Path) -> None:
    held = {name: samples("positive", "positive", name) for name in ("MOSI", "MELD")} | {
        "MUStARD": samples("no", "yes")
    }
    path = write_run(tmp_path, "one", held)
    out = tmp_path / "page.html"
    call("report", path, "--out", out, "--task", "MOSI", "--task", "MELD", "--no-published")
    text = out.read_text(encoding="utf-8")
    assert re.findall(r'<td class="n strong" data-value="([^"]*)"', text) == ["100.0"]
    assert "2 of 12 tasks" in text
    assert data_of(text)["metrics"]["acc"] == [{"MOSI": 100.0, "MELD": 100.0}]


def test_utterances_of_the_tasks_that_are_at_hand(tmp_path: Path) -> None:
    held = {"MELD": samples("joy", "joy"), "MOSI": samples("positive", "positive"), "Mine": samples("up", "up")}
    path = write_run(tmp_path, "one", held)
    atomic_write(tmp_path / "data" / "MELD" / "test.tsv", "id\tvideo\ttext\tlabel\ns0\t\tOh.\tjoy\n")
    out = tmp_path / "page.html"
    said = call("report", path, "--out", out, "--data-root", tmp_path / "data")
    assert "note: MOSI: 1 of 1 samples are not in the data" in said
    assert "note: Mine: no such task is known below" in said
    texts = [unpacked(one["samples"]).get("texts") for one in data_of(out.read_text(encoding="utf-8"))["sets"]]
    assert texts == [["Oh."], None, None]
    atomic_write(tmp_path / "other" / "MIntRec" / "test.tsv", "id\tvideo\ttext\tlabel\n")
    assert "no data for MELD" in call("report", path, "--out", out, "--data-root", tmp_path / "other", code=2)


def test_utterances_only_for_who_has_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "MELD"
    (folder / "video").mkdir(parents=True)
    (folder / "video" / "s0.mp4").touch()
    rows = "id\tvideo\ttext\tlabel\ns0\ts0.mp4\tOh <b>no</b>!\tjoy\ns1\ts1.mp4\tYes.\tanger\n"
    (folder / "test.tsv").write_text(rows)
    path = write_run(tmp_path, "one", {"MELD": samples("joy anger joy", "joy joy joy")})
    out = tmp_path / "page.html"
    given = ("report", path, "--out", out, "--data-root", tmp_path / "data")
    said = call(*given, "--video-root", "{root}/{dataset}/video")
    assert f"note: MELD: 1 of 3 samples are not in the data below {tmp_path}/data" in said
    known = unpacked(data_of(out.read_text(encoding="utf-8"))["sets"][0]["samples"])
    assert known["texts"] == ["Oh <b>no</b>!", "Yes.", None]
    assert '; media-src file:"' in out.read_text(encoding="utf-8")
    assert known["clips"] == [(folder / "video" / "s0.mp4").as_uri(), "", ""]
    (folder / "test.tsv").write_text("number\ttext\tlabel\n1\tno\tjoy\n")
    assert "no column `id`" in call(*given, code=2)


def test_what_cannot_be_shown(tmp_path: Path) -> None:
    assert "no results are named" in call("report", code=2)
    path = write_run(tmp_path, "one", {"MELD": samples("joy", "joy")})
    assert "no run has results of MOSI" in call("report", path, "--task", "MOSI", code=2)
    (tmp_path / "file").touch()
    assert "cannot be written" in call("report", path, "--out", tmp_path / "file" / "page.html", code=2)
