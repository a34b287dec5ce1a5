"""What is written for a toolkit to train on and to answer, without starting one."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.bad_videos import SKIPPED
from orchestrator.launch.local import Launcher
from orchestrator.plan import preflight
from orchestrator.plan.outputs import Kind
from orchestrator.plan.plan import Plan
from orchestrator.run.rows import results_of, scored
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.work import WORK
from tests.released_data import released_plan, three_tasks
from tests.stages import finish
from tests.tables import MLLM, plan_of_text, table, with_bad_videos


def work(plan: Plan, kind: Kind) -> tuple[Path, Any]:
    """Do a stage's work as a run does it; returns its folder and outputs."""
    (job,) = plan.jobs
    stage = job.stage(kind)
    stage.folder.mkdir(parents=True, exist_ok=True)
    with Launcher() as launcher:
        outputs = WORK[kind](Context(plan, job, launcher, "cpu"), stage)
    finish(stage, outputs=outputs, device="cpu")
    return stage.folder, outputs


def test_leaks_by_text_leave_the_training_mix(tmp_path: Path) -> None:
    root = tmp_path / "data"
    long = "This is said in both of them."
    table(root, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_2", long, "joy"), ("MELD_0_3", "Ho", "joy"))
    table(root, "MUStARD", "train", ("1_1", long, "sincere"))
    table(root, "MUStARD", "test", ("1_2", long.upper(), "sincere"), ("1_3", "Ho", "sincere"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MUStARD]\nselect: {strategy: last}\n"
    left = {}
    for choice in ("ids", "text"):
        folder, outputs = work(plan_of_text(tmp_path, text, root, f"it.exclude_leaks={choice}"), "convert")
        left[choice] = (outputs.leaks, outputs.rows["train"], (folder / "train.json").read_text().count(long))
    # what MUStARD itself holds out stays in its own training split
    assert left == {"ids": (0, 4, 2), "text": (1, 3, 1)}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return with_bad_videos(tmp_path / "data")


@pytest.mark.parametrize(("choice", "left"), [("skip", [True]), ("text_only", [True, False, False])])
def test_bad_videos_in_training_files_and_requests(
    videos: Path, tmp_path: Path, choice: str, left: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of_text(tmp_path, MLLM.format("sft"), videos, f"data.on_bad_video={choice}", "select.strategy=last")
    said: list[str] = []
    assert preflight.problems_of(plan, say=said.append) == []
    assert any("2 of 3 videos of its train split" in line and f"data.on_bad_video: {choice}" in line for line in said)
    folder, outputs = work(plan, "convert")
    assert outputs.bad_videos == {"train": {"demo": 2}, "dev": {"demo": 2}}
    assert outputs.rows == {"train": len(left), "dev": len(left)}
    rows = json.loads((folder / "train.json").read_text())
    assert [bool(row["videos"]) for row in rows] == left

    zero = plan_of_text(tmp_path, MLLM.format("zero_shot"), videos, f"data.on_bad_video={choice}")

    def answers(context: Context, part: Any, commands: Any, folder: Path, *rest: Any) -> None:
        """Stands in for the toolkit's process: every request is answered rightly."""
        requests = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
        assert [request["video"] is not None for request in requests] == left
        lines = [json.dumps({"id": r["id"], "text": "dialogue act: question", "seconds": 0.1}) for r in requests]
        (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines))

    monkeypatch.setattr(Context, "launch", answers)
    _, outputs = work(zero, "infer")
    assert outputs.bad_videos == {"demo": 2}
    folder, _ = work(zero, "score")
    (row,) = results_of(scored(zero))
    assert row["bad_videos"] == f"{choice}:test=2"
    assert f"bad_videos:{choice}:test=2" in row["signature"]
    # a sample that was left out counts as wrong: n, and with it the score, stays comparable
    assert (row["n"], round(row["acc"], 2)) == (3, 33.33 if choice == "skip" else 100.0)
    kept = gzip.decompress((folder / "demo.answers.jsonl.gz").read_bytes()).decode()
    assert kept.count(SKIPPED) == (2 if choice == "skip" else 0)


@pytest.mark.parametrize("exclude", [False, True])
def test_leaks_are_left_out_of_instruction_tuning(tmp_path: Path, exclude: bool) -> None:
    root = tmp_path / "data"
    table(root, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_2", "Hey", "joy"), ("MELD_0_3", "No", "anger"))
    table(root, "MELD", "test", ("MELD_9_1", "hi", "joy"))
    table(root, "MELD-DA", "train", ("MELD-DA_0_3", "No", "answer"))
    table(root, "MELD-DA", "dev", ("MELD-DA_0_2", "Hey", "greeting"))
    table(root, "MELD-DA", "test", ("MELD-DA_0_1", "Hi", "greeting"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MELD-DA]\n" + "it: {exclude_leaks: true}\n" * exclude
    plan = plan_of_text(tmp_path, text, root, "select.strategy=last")
    folder, outputs = work(plan, "convert")
    ids = {row["id"] for row in json.loads((folder / "train.json").read_text())}
    everything = {"MELD_0_1", "MELD_0_2", "MELD_0_3", "MELD-DA_0_3"}
    assert ids == (everything - {"MELD_0_1", "MELD_0_2"} if exclude else everything)
    assert outputs.leaks == (2 if exclude else 0)
    if exclude:  # what is held out is part of the key
        table(root, "MELD-DA", "dev", ("MELD-DA_0_9", "Hey", "greeting"))
        again = plan_of_text(tmp_path, text, root, "select.strategy=last")
        assert again.jobs[0].stage("convert").key != plan.jobs[0].stage("convert").key


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def test_the_convert_stage_writes_released_files(data: Path, tmp_path: Path) -> None:
    """One task: the released file with a system message added to each row; several: mixed and numbered through."""
    from orchestrator.run.stages.convert import convert

    sft, it = released_plan("qwen2_7b_sft", data), released_plan("qwen2_7b_it", data)
    for plan, number in ((sft, 0), (it, 0)):
        stage = replace(plan.jobs[number].stage("convert"), folder=tmp_path / plan.recipe.name)
        with Launcher() as launcher:
            done = convert(Context(plan, plan.jobs[number], launcher, "cpu"), stage)
        assert done.rows["train"] == sum(len(task.labels) for task in plan.jobs[number].tasks)
        info = json.loads((stage.folder / "dataset_info.json").read_text())
        assert info["train"]["columns"] == {"messages": "conversations", "system": "system"}
    rows = json.loads((tmp_path / "qwen2_7b_sft" / "train.json").read_text(encoding="utf-8"))
    assert list(rows[0]) == ["id", "video", "conversations", "system"]
    assert {row["system"] for row in rows} == {"You are a helpful assistant."}
    assert rows[1]["conversations"][1] == {"from": "gpt", "value": "intent: Praise"}
    mixed = json.loads((tmp_path / "qwen2_7b_it" / "train.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in mixed] == list(range(27))
    assert {row["video"].split("_")[0] for row in mixed[:10]} > {"MIntRec"}
