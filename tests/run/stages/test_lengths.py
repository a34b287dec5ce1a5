"""Samples that are too long: found before a training, named, counted, refused or left out; asked by the same rule."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import StageError
from orchestrator.launch.local import Launcher
from orchestrator.plan.commands import train_command
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, Kind, TrainOutputs
from orchestrator.plan.plan import Job, Plan, Stage
from orchestrator.recipe.recipe import Recipe
from orchestrator.run.rows import results_of, scored
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.lengths import keep_the_rest, training_too_long
from orchestrator.run.stages.work import WORK
from orchestrator.toolkits.base import Command, MeasureInputs
from orchestrator.toolkits.llamafactory.trainer import Trainer
from tests.stages import finish
from tests.tables import plan_of_text, table

# a length is the words of prompt and answer, of which the template has some thirty
PROGRAM = """
import json, pathlib, sys
files = json.loads(sys.argv[1])
pathlib.Path("starts.txt").open("a").write("x")
def words(row):
    if "no length" in row["conversations"][0]["value"]:
        return None
    return sum(len(turn["value"].split()) for turn in row["conversations"])
found = {name: [words(row) for row in json.loads(pathlib.Path(path).read_text())] for name, (path, _) in files.items()}
pathlib.Path("out.json").write_text(json.dumps(found))
"""
LONG = "word " * 100
RECIPE = "method: {}\nmodel: {{name: qwen2_7b, path: some/id, revision: main}}\ntasks: {}\nselect: {{strategy: last}}\n"


@pytest.fixture(autouse=True)
def _counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def lengths(self: Trainer, recipe: Recipe, inputs: MeasureInputs) -> Command:
        files: Mapping[str, Any] = dict(inputs.files)
        return Command((sys.executable, "-c", PROGRAM, json.dumps(files)), files={"config.json": recipe.model.name})

    monkeypatch.setattr(Trainer, "lengths", lengths)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    texts = {"train": ["a", LONG, "b", "c", LONG + LONG], "dev": ["a", LONG], "test": ["a", LONG, "no length " + LONG]}
    for name, label in (("MELD", "joy"), ("MOSI", "positive")):
        for split, those in texts.items():
            table(folder, name, split, *((f"{split}{at}", text, label) for at, text in enumerate(those)))
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as one:
        yield one


def plan_of(folder: Path, root: Path, *overrides: str, method: str = "sft", tasks: str = "[MELD]") -> Plan:
    text = RECIPE.format(method, tasks)
    return plan_of_text(folder, text, root, "train.max_length=110", *overrides)


def converted(plan: Plan, launcher: Launcher, said: list[str]) -> tuple[Context, Job, Stage, list[str]]:
    """The context of a job whose data is converted, its training, and the splits that were written."""
    (job,) = plan.jobs
    context = Context(plan, job, launcher, "cpu", say=said.append)
    stage = job.stage("convert")
    stage.folder.mkdir(parents=True)
    outputs = WORK["convert"](context, stage)
    finish(stage, outputs=outputs)
    job.stage("train").folder.mkdir(parents=True)
    assert isinstance(outputs, ConvertOutputs)
    return context, job, job.stage("train"), list(outputs.rows)


def test_what_is_too_long_is_refused_before_a_training(
    tmp_path: Path, root: Path, launcher: Launcher, said: list[str]
) -> None:
    context, _, train, splits = converted(plan_of(tmp_path, root), launcher, said)
    with pytest.raises(StageError) as raised:
        training_too_long(context, train, train.input("convert"), splits)
    assert str(raised.value).splitlines()[:4] == [
        "samples are longer than train.max_length (110 tokens): 2 of 5 of the train split, 1 of 2 of the dev split, "
        "1 of 3 of the test split that is asked",
        "    - MELD/train4 (the train split): 241 tokens",
        "    - MELD/dev1 (the dev split): 141 tokens",
        "    - MELD/test1 (the test split that is asked): 141 tokens",
    ]
    assert str(raised.value).splitlines()[-1] == (
        "    what to do: raise train.max_length to 241, or leave them out with train.on_too_long: skip"
    )
    every = json.loads((train.folder / "lengths" / "too_long.json").read_text())
    assert every["train"] == {"MELD/train1": 141, "MELD/train4": 241}


def test_the_limit_itself_is_not_too_long(tmp_path: Path, root: Path, launcher: Launcher, said: list[str]) -> None:
    plan = plan_of(tmp_path, root, "train.max_length=241")
    context, _, train, splits = converted(plan, launcher, said)
    assert training_too_long(context, train, train.input("convert"), splits) == {}
    plan = plan_of(tmp_path, root, "train.max_length=240", "train.on_too_long=skip", "data.limit_seed=1")
    context = Context(plan, plan.jobs[0], launcher, "cpu")
    found = training_too_long(context, plan.jobs[0].stage("train"), plan.jobs[0].stage("convert"), splits)
    assert found == {"train": {"MELD/train4": 241}}


def test_it_is_left_out(tmp_path: Path, root: Path, launcher: Launcher, said: list[str]) -> None:
    """Of the mixed files of several tasks, too: each row that goes is the one that was named."""
    plan = plan_of(tmp_path, root, "train.on_too_long=skip", method="it", tasks="[MELD, MOSI]")
    context, _, train, splits = converted(plan, launcher, said)
    found = training_too_long(context, train, train.input("convert"), splits)
    assert found == {
        "train": {f"{task}/train{at}": 141 + 100 * (at > 1) + (task == "MOSI") * extra(plan) for task, at in
                  (("MELD", 1), ("MELD", 4), ("MOSI", 1), ("MOSI", 4))},
        "dev": {f"{task}/dev1": 141 + (task == "MOSI") * extra(plan) for task in ("MELD", "MOSI")},
    }  # fmt: skip
    assert said[-1].startswith("samples are longer than train.max_length (110 tokens): 4 of 10 of the train split, ")
    keep_the_rest(context, train, train.input("convert"), found)
    rows = json.loads((train.folder / "data" / "train.json").read_text())
    whole = json.loads((train.input("convert").folder / "train.json").read_text())
    assert rows == [row for row in whole if LONG not in row["conversations"][0]["value"]]
    assert len(rows) == 6
    assert (train.folder / "data" / "dataset_info.json").exists()
    assert "dataset_dir: data\n" in train_command(plan, train, "cpu").files["train.yaml"]


def extra(plan: Plan) -> int:
    """How many words more MOSI's prompt and answer have than MELD's."""
    rows = json.loads((plan.jobs[0].stage("convert").folder / "train.json").read_text())
    size = {row["conversations"][1]["value"]: sum(len(turn["value"].split()) for turn in row["conversations"])
            for row in rows if LONG not in row["conversations"][0]["value"]}  # fmt: skip
    return size["sentiment: positive"] - size["emotion: joy"]


def test_lengths_are_measured_once(tmp_path: Path, root: Path, launcher: Launcher, said: list[str]) -> None:
    plan = plan_of(tmp_path, root, "train.on_too_long=skip")
    context, _, train, splits = converted(plan, launcher, said)
    first = training_too_long(context, train, train.input("convert"), splits)
    assert training_too_long(context, train, train.input("convert"), splits) == first
    starts = train.folder / "lengths" / "starts.txt"
    assert starts.read_text() == "x"
    # what was measured is another file now
    file = train.input("convert").folder / "train.json"
    file.write_text(file.read_text().replace(LONG, "short ", 1))
    assert len(training_too_long(context, train, train.input("convert"), splits)["train"]) == 1
    assert starts.read_text() == "xx"


def test_nothing_is_left_to_train_on(tmp_path: Path, root: Path, launcher: Launcher, said: list[str]) -> None:
    plan = plan_of(tmp_path, root, "train.on_too_long=skip", "train.max_length=20")
    context, _, train, splits = converted(plan, launcher, said)
    with pytest.raises(StageError, match=r"not one of 5 samples of the train split is within train.max_length \(20"):
        training_too_long(context, train, train.input("convert"), splits)


def answer(self: Context, part: Any, commands: Any, folder: Path, *rest: Any) -> None:
    """Stands in for the toolkit's process."""
    requests = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    lines = [json.dumps({"id": one["id"], "text": "emotion: joy", "seconds": 0.1}) for one in requests]
    (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("choice", ["fail", "skip"])
def test_what_is_asked(
    tmp_path: Path, root: Path, launcher: Launcher, said: list[str], choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that is too long is not asked, and its answer is an error that says why."""
    plan = plan_of(tmp_path, root, f"train.on_too_long={choice}")
    context, job, train, _ = converted(plan, launcher, said)
    left = {"train": {"MELD/train1": 141, "MELD/train4": 241}}
    finish(train, outputs=TrainOutputs(steps=1, too_long=left))
    finish(job.stage("select"))
    (train.folder / "output" / "checkpoint-9").mkdir(parents=True)

    monkeypatch.setattr(Context, "launch", answer)
    monkeypatch.setattr(Context, "need_weights", lambda *_: None)
    infer = job.stage("infer")
    infer.folder.mkdir(parents=True)
    if choice == "fail":
        with pytest.raises(StageError, match="1 of 3 of the test split that is asked"):
            WORK["infer"](context, infer)
        return
    outputs = WORK["infer"](context, infer)
    assert isinstance(outputs, InferOutputs)
    assert outputs.too_long == {"MELD/test1": 141}
    asked = [json.loads(line)["id"] for line in (infer.folder / "requests.jsonl").read_text().splitlines()]
    assert asked == ["MELD/test0", "MELD/test2"]
    kinds: tuple[Kind, ...] = ("infer", "score")
    for kind in kinds:
        stage = job.stage(kind)
        stage.folder.mkdir(parents=True, exist_ok=True)
        finish(stage, outputs=outputs if kind == "infer" else WORK[kind](context, stage), device="cpu")
    with gzip.open(job.stage("score").folder / "MELD.answers.jsonl.gz", "rt") as table:
        assert "skipped: 141 tokens are more than train.max_length (train.on_too_long: skip)" in table.read()
    (row,) = results_of(scored(plan))
    assert (row["n"], row["too_long"], row["train_rows"]) == (3, "train=2,test=1", 3)


def test_a_sample_asked_without_its_clip_is_not_one_that_was_skipped(
    tmp_path: Path, root: Path, launcher: Launcher, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ("train.max_length=110", "train.on_too_long=skip", "data.on_bad_video=text_only")
    text = "method: sft\nmodel: tiny_qwen2_vl\ntasks: [MELD]\nselect: {strategy: last}\n"
    context, job, train, _ = converted(plan_of_text(tmp_path, text, root, *overrides), launcher, said)
    finish(train, outputs=TrainOutputs(steps=1))
    finish(job.stage("select"))
    (train.folder / "output" / "checkpoint-9").mkdir(parents=True)
    monkeypatch.setattr(Context, "launch", answer)
    monkeypatch.setattr(Context, "need_weights", lambda *_: None)
    kinds: tuple[Kind, ...] = ("infer", "score")
    for kind in kinds:
        stage = job.stage(kind)
        stage.folder.mkdir(parents=True, exist_ok=True)
        finish(stage, outputs=WORK[kind](context, stage), device="cpu")
    (row,) = results_of(scored(context.plan))
    assert (row["n"], row["too_long"], row["bad_videos"]) == (3, "test=1", "text_only:train=5,dev=2,test=3")


def test_where_nothing_is_trained_nothing_is_measured(
    tmp_path: Path, root: Path, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of_text(tmp_path, RECIPE.format("zero_shot", "[MELD]"), root)
    infer = plan.jobs[0].stage("infer")
    infer.folder.mkdir(parents=True)
    monkeypatch.setattr(Context, "launch", lambda *_: None)
    with pytest.raises(StageError, match="3 requests, but 0 answers"):
        WORK["infer"](Context(plan, plan.jobs[0], launcher, "cpu"), infer)
    assert not (infer.folder / "lengths").exists()
