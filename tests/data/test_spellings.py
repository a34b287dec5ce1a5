"""What is said of a file that is missing: what it is called on disk, and nothing that is merely alike."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from orchestrator.data.spellings import Spellings, key
from orchestrator.data.videos import check_videos


@pytest.mark.parametrize(
    ("named", "there"),
    [
        ("dia0_utt1.mp4", "dia0_utt1.MP4"),
        ("dia0_utt1.mp4", "Dia0_Utt1.mp4"),
        ("dia0_utt1.mp4", "dia0_utt1.avi"),
        ("dia0_utt1.mp4", "dia0-utt1.mp4"),
        ("dia0_utt1.mp4", "dia00_utt01.mp4"),
        ("dia0_utt1", "dia0_utt1.mkv"),
        ("MIntRec2.0_1_2.mp4", "mintrec2.0_1_2.mp4"),
        ("café_1.mp4", unicodedata.normalize("NFD", "café_1.mp4")),
        ("\uff11\uff12.mp4", "12.mp4"),
    ],
)
def test_another_spelling(tmp_path: Path, named: str, there: str) -> None:
    (tmp_path / there).touch()
    (tmp_path / "dia0_utt11.mp4").touch()
    assert Spellings().near(str(tmp_path / named)).startswith(f"there is `{there}` in its folder")


@pytest.mark.parametrize("there", ["dia0_utt2.mp4", "dia1_utt1.mp4", "dia01_utt.mp4", "dia0_utt1_2.mp4"])
def test_another_clip_is_not_offered(tmp_path: Path, there: str) -> None:
    (tmp_path / there).touch()
    assert Spellings().near(str(tmp_path / "dia0_utt1.mp4")) == ""


def test_names_without_letters_differ() -> None:
    assert key("___.mp4") != key("--.mp4")


def test_a_folder_that_is_empty_or_missing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "there are no files in" in Spellings().near(str(tmp_path / "empty" / "a.mp4"))
    assert "there is no folder" in Spellings().near(str(tmp_path / "gone" / "a.mp4"))


def test_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "dia0_utt1.mp4").symlink_to("gone.mp4")
    said = "it is a link to gone.mp4, which is not there"
    assert Spellings().near(str(tmp_path / "dia0_utt1.mp4")) == said


def test_the_check_says_it(tmp_path: Path) -> None:
    (tmp_path / "A.MP4").touch()
    (finding,) = check_videos([tmp_path / "a.mp4", tmp_path / "a.mp4"])
    assert finding.problem.message == "the video is missing"
    assert "`A.MP4`" in finding.problem.hint
    assert not finding.repairable
