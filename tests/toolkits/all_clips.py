"""A data set of clips as people have them, for runs of the real toolkits over them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from tests.clips import write_coded, write_cut, write_turned
from tests.data.clips.test_verdict import REPAIRABLE
from tests.recipes import write_rows
from tests.running import call, records, stage_folder
from tests.shared import ROOT

FORMS = ("av1.mp4", "open.mp4", "h264.avi", "fragments.mp4", "a.mkv", "a.webm", "a.ts", "a.wmv", "tiny.mp4",
         "varies.mp4")  # fmt: skip
# small files that broke toolkits, some of which cannot be mended; used where they are
FAULTS = sorted((ROOT.parent / "shared" / "faults" / "clips").glob("*.*"))
BAD = ("damaged_mid.mp4", "avi_trunc.avi")
LABELS = ("statement", "question", "command", "apology")
# in a recipe: the clip that cannot be mended is left out
DATA = "data: {{root: {root}, on_bad_video: skip}}"


def write_all(root: Path) -> Path:
    """A folder of data of clips of every form, in each split, which are repaired; one of them is damaged."""
    videos = root / "Demo" / "video"
    videos.mkdir(parents=True)
    for name in FORMS:
        write_coded(videos / name, **REPAIRABLE[name][0])
    whole = write_coded(videos / "whole.mp4", options={"x264-params": "keyint=20:min-keyint=20:scenecut=0"})
    write_cut(whole, videos / "cut.mp4", 1.2)
    write_turned(whole, videos / "turned.mp4", 90)
    (videos / "damaged.mp4").write_bytes(whole.read_bytes()[:2000])
    for clip in FAULTS:
        shutil.copy(clip, videos / f"fault_{clip.name}")
    names = sorted(path.name for path in videos.iterdir())
    for split in ("train", "dev", "test"):
        rows = [(f"{split}_{at}", name, f"What is number {at}?", LABELS[at % 4]) for at, name in enumerate(names)]
        write_rows(root / "Demo" / f"{split}.tsv", rows)
    said = call("data", "repair", "--data-root", root, "--task", "demo", "--runs-dir", root / "runs", code=1)
    assert said.endswith(f"{len(names)} videos: {mended()} repaired, 1 were sound, {lost()} cannot be repaired\n")
    return root


def lost() -> int:
    """How many clips cannot be mended."""
    return 1 + sum(clip.name in BAD for clip in FAULTS)


def mended() -> int:
    """How many clips are shown by their copies."""
    return len(FORMS) + 2 + len(FAULTS) - (lost() - 1)


def check_run(folder: Path, name: str = "tiny") -> None:
    """See that a run trained on all clips but the damaged ones, and answered all but these."""
    clips, bad = mended() + 1 + lost(), lost()
    row = pd.read_csv(folder / f"{name}.csv").iloc[0]
    assert (row["n"], row["error"]) == (clips, round(100 * bad / clips, 2))
    assert row["bad_videos"].startswith(f"skip:train={bad}")
    answers = records(stage_folder(folder, "infer") / "predictions.jsonl")
    assert len(answers) == clips - bad
    assert not [answer for answer in answers.values() if "error" in answer]
    asked = [json.loads(line) for line in (stage_folder(folder, "infer") / "requests.jsonl").read_text().splitlines()]
    assert sum("/.repaired/" in request["video"] for request in asked) == mended()
