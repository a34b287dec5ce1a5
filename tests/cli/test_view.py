"""What a user sees while stages run."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.plain import View
from orchestrator.cli.results import results_table
from orchestrator.cli.view import make_view
from orchestrator.errors import StageError
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, SelectOutputs, TrainOutputs
from orchestrator.plan.plan import Plan, Stage
from orchestrator.run.listener import Places
from orchestrator.toolkits.base import Progress
from tests.cli.conftest import Clock
from tests.recipes import plan_of

ROW: dict[str, Any] = {"task": "demo", "n": 8, "acc": 50.0, "majority": 40.0}
WEIGHTS = [("adapter of MELD", Path("runs/r/MELD/train-1/output/checkpoint-9"))]
PLACES = Places(Path("r.csv"), Path("r.answers.jsonl.gz"), WEIGHTS)


def test_plain_lines(plan: Plan, watch: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown, job = View(), plan.jobs[0]
    convert, train, select, infer, score = (
        job.stage(kind) for kind in ("convert", "train", "select", "infer", "score")
    )
    shown.start([plan])
    shown.skipped()
    shown.begin(convert, "")
    shown.end(convert, 1.0, ConvertOutputs(rows={"train": 1200, "dev": 120}))
    shown.begin(train, "")
    shown.remark(train, "goes on from checkpoint-6")
    for done in (1, 2, 3):
        shown.progress(train, Progress(done, 9))
        watch.now += 29  # a line each half minute
    shown.end(train, 87, TrainOutputs(steps=9))
    shown.begin(select, "")
    last = SelectOutputs(strategy="last", checkpoint="checkpoint-9", step=9, path="")
    compared = {"accuracy_percent": {9: 87.5}, "measure": "of the answers right on dev"}
    shown.end(select, 2, last.model_copy(update={"strategy": "dev_accuracy", **compared}))
    shown.end(select, 2, last)
    shown.begin(infer, "")
    shown.end(infer, 2, InferOutputs(requests=240, errors=0))
    shown.end(infer, 2, InferOutputs(requests=240, errors=3))
    shown.begin(score, "")
    shown.failed(score, StageError("it broke"))
    shown.stopped(score)
    shown.close()
    shown.scored([ROW, ROW | {"task": "MELD", "majority": None}])
    shown.results([ROW], PLACES)
    assert capsys.readouterr().out.splitlines() == [
        "1 of 6 stages are done already",
        "[2/6] demo demo/convert: done in 1.0 s, 1,200 train, 120 dev",
        "[3/6] demo demo/train: goes on from checkpoint-6",
        "[3/6] demo demo/train: step 3/9, 0.0345 steps/s, 2:54 left",
        "[3/6] demo demo/train: done in 1:27, 9 steps",
        "[4/6] demo demo/select: done in 2.0 s, checkpoint-9 (dev_accuracy, 87.50 % of the answers right on dev)",
        "[4/6] demo demo/select: done in 2.0 s, checkpoint-9 (last)",
        "[5/6] demo demo/infer: done in 2.0 s, 240 answers",
        "[5/6] demo demo/infer: done in 2.0 s, 240 answers, 3 of them errors; to ask these again: run --retry-errors",
        "[6/6] demo demo/score: FAILED: it broke",
        "[6/6] demo demo/score: stopped; the same command goes on from here",
        "      demo: acc 50.00, majority 40.00, n 8",
        "      MELD: acc 50.00, n 8",
        *results_table([ROW]).splitlines(),
        "results: r.csv",
        "answers: r.answers.jsonl.gz",
        "adapter of MELD: runs/r/MELD/train-1/output/checkpoint-9",
    ]


def test_many_stages_are_one_line(watch: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_of("qwen2_7b_sft", "tasks=[MELD, MIntRec, IEMOCAP, MUStARD, MOSI]", runs=tmp_path)
    shown, stages = View(), [job.stage("train") for job in plan.jobs]

    def pass_seconds(seconds: int, *ticking: Stage) -> None:
        for _ in range(seconds):
            watch.now += 1
            for number, stage in enumerate(ticking, 1):
                shown.progress(stage, Progress(int(watch.now - 100) * number, 1000, 0.5))
            shown.tick()

    shown.start([plan])
    shown.begin(stages[0], "GPU 0")
    pass_seconds(29)
    assert capsys.readouterr().out == ""
    pass_seconds(1)
    assert capsys.readouterr().out == "[ 1/25] qwen2_7b_sft MELD/train: at work for 30 s\n"
    shown.begin(stages[1], "GPU 1")
    shown.waits([(stages[2], "for a GPU, none is free")])
    pass_seconds(30, *stages[:2])
    assert capsys.readouterr().out == (
        "[ 0/25] qwen2_7b_sft MELD/train, step 60/1000, loss 0.5, about 15 min left; "
        "qwen2_7b_sft MIntRec/train, step 118/1000, loss 0.5, about 7 min left; "
        "qwen2_7b_sft IEMOCAP/train waits for a GPU, none is free\n"
    )
    shown.waits([])
    for stage in stages[2:]:
        shown.begin(stage, "GPU 2")
    shown.failed(stages[2], StageError("it broke"))
    shown.waits([(plan.jobs[2].stage("convert"), "for 8 GPUs, 3 are free")] * 2)
    capsys.readouterr()
    pass_seconds(30, *stages[:2])
    assert capsys.readouterr().out == (
        "[ 1/25] 4 run; the longest: qwen2_7b_sft MELD/train, step 90/1000, loss 0.5, about 15 min left; "
        "qwen2_7b_sft IEMOCAP/convert and 1 more wait for 8 GPUs, 3 are free; 1 failed\n"
    )


def test_where_nothing_runs_it_is_soon_said_what_is_waited_for(
    plan: Plan, watch: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, busy = View(), "for demo, which process 12 on host a works on since 12:01"
    shown.start([plan])
    capsys.readouterr()
    for half_seconds in range(100):
        shown.waits([(plan.jobs[0].stage("train"), busy)])
        shown.tick()
        watch.now += 0.5
        if half_seconds == 5:
            assert capsys.readouterr().out == "", "between two stages a moment may pass"
    assert capsys.readouterr().out == f"[0/6] demo demo/train waits {busy}\n" * 2


def test_of_many_adapters_some_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    weights = [(f"adapter of {number}", Path(str(number))) for number in range(72)]
    View().places(PLACES._replace(weights=weights))
    said = capsys.readouterr().out.splitlines()
    assert said[2:4] == ["adapter of 0: 0", "adapter of 1: 1"]
    assert said[18:] == ["and 56 more like these: each select-*/stage.json of a run names its own"]


def test_a_reader_that_went_away_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    View().line("still at work")


def test_plain_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert type(make_view()) is View
