"""What stages are likely to take: from earlier runs, from what the user says, and of files by rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan import sizes
from orchestrator.plan.estimate import Expected, expected
from orchestrator.plan.known import Known
from orchestrator.plan.outputs import ConvertOutputs, InferOutputs, TrainOutputs
from orchestrator.plan.plan import Plan
from orchestrator.plan.record import STATE, Attempt
from orchestrator.plan.work import EVALUATION
from tests.checkpoints import write_checkpoint
from tests.recipes import plan_of, write_rows
from tests.stages import finish

CPU = "resources.device=cpu"
ROWS = {"train": 40, "dev": 8}
NOTHING = Path("nowhere")
WHEN = "2026-11-26T04:00:00+00:00"


def demo(data: Path, *overrides: str, runs: Path = NOTHING) -> Plan:
    """The demo over 40, 8 and 8 rows: batches of 10, two epochs, and an evaluation of dev at the end of each."""
    steps = ("train.batch_size=10", "train.micro_batch_size=10", "train.epochs=2", "train.save_steps=null")
    return plan_of("demo", f"data.root={data}", CPU, *steps, *overrides, runs=runs)


def of(plan: Plan, kind: str, known: Known | None = None) -> Expected:
    """What a stage of a plan's first job is likely to take."""
    job = plan.jobs[0]
    return expected(plan, job, job.stage(kind), known or Known({}))


def ran(plan: Plan, *attempts: tuple[float, float, str], kind: str = "train", done: int = 0, **more: Any) -> None:
    """Have an earlier run have done a stage in attempts: seconds, those before the first step, what it went on from."""
    job = plan.jobs[0]
    told = [
        Attempt(started_at=WHEN, seconds=seconds, startup_seconds=startup, startup_done=done, resumed_from=source)
        for seconds, startup, source in attempts
    ]
    shared = {"toolkit": plan.part(kind).environment.name, "device": "cpu"}
    for stage in job.stages:
        outputs = {"outputs": ConvertOutputs(rows=ROWS)} if stage.kind == "convert" else {}
        if stage.kind in ("init", "convert"):
            finish(stage, inputs=dict(stage.inputs), **shared, **outputs)
    stage = job.stage(kind)
    finish(stage, inputs=dict(stage.inputs), attempts=told, **shared, **more)


EVALUATIONS = 2 * 8 * EVALUATION / 10  # of 8 rows at each of two epochs, in steps of 10 samples


def test_nothing_is_known(data: Path) -> None:
    plan = demo(data)
    assert of(plan, "train").seconds is None
    assert of(plan, "infer").seconds is None
    assert of(plan, "select") == Expected(0, 0)


def test_what_the_user_says_wins(data: Path, tmp_path: Path) -> None:
    ran(demo(data, runs=tmp_path), (100, 0, ""), outputs=TrainOutputs(steps=8))
    plan = demo(data, "resources.seconds_per_step=3", "resources.seconds_per_answer=0.5")
    for known in (Known({}), Known.read(tmp_path)):
        assert of(plan, "train", known).seconds == pytest.approx(3 * (8 + EVALUATIONS))
        assert of(plan, "infer", known).seconds == pytest.approx(0.5 * 8)
    both = demo(data, "resources.seconds_per_answer=0.5", "resources.inference_processes=2")
    assert of(both, "infer").seconds == pytest.approx(0.5 * 8 / 2)


def test_steps_are_those_of_the_rows(data: Path) -> None:
    """Batches of an epoch are rounded up; evaluations cost; a limit and `max_steps` count."""
    says = "resources.seconds_per_step=1"
    for overrides, steps in (
        (("select.strategy=last",), 8),
        (("select.strategy=last", "data.limit=21"), 2 * 3),
        (("select.strategy=last", "train.epochs=1.5"), 6),
        (("select.strategy=last", "train.max_steps=3"), 3),
        ((), 8 + EVALUATIONS),
        (("train.save_steps=2",), 8 + 4 * 8 * EVALUATION / 10),
    ):
        assert of(demo(data, says, *overrides), "train").seconds == pytest.approx(steps), overrides


def test_published_sizes_where_the_data_is_not_here(tmp_path: Path) -> None:
    plan = plan_of("qwen2_7b_sft", f"data.root={tmp_path}", "tasks=[MELD]", "resources.seconds_per_answer=2")
    assert of(plan, "infer").seconds == 2 * 2610


def test_a_file_that_is_here_counts(tmp_path: Path) -> None:
    write_rows(tmp_path / "MELD" / "test.tsv", [(f"{n}", "", "hi", "joy") for n in range(7)])
    plan = plan_of("qwen2_7b_sft", f"data.root={tmp_path}", "tasks=[MELD]", "resources.seconds_per_answer=2")
    assert of(plan, "infer").seconds == 2 * 7


def test_as_an_earlier_run_took(data: Path, tmp_path: Path) -> None:
    """The rate of 8 steps is that of more steps; start-up is there once, without the step that is seen at its end."""
    ran(demo(data, runs=tmp_path), (90, 30, ""), done=2, outputs=TrainOutputs(steps=8))
    more = of(demo(data, "train.epochs=4"), "train", Known.read(tmp_path)).seconds
    assert more == pytest.approx((30 - 2 * 10) + 16 * 10)


@pytest.mark.parametrize(
    ("attempts", "step"),
    [
        ([(90, 10, "")], 10),
        ([(500, 10, ""), (90, 10, "")], 10),  # began anew
        ([(500, 10, ""), (50, 10, "output/checkpoint-4")], 10),  # what was lost behind a checkpoint is no step
        ([(85, 5, ""), (12, 2, "output/checkpoint-7")], (80 + 10) / 8),  # one step tells little: all of it counts
        ([(85, 5, ""), (3, None, "its last step")], (80 + 3) / 8),
    ],
)
def test_an_interrupted_training_spoils_no_rate(
    data: Path, tmp_path: Path, attempts: list[tuple[float, float, str]], step: float
) -> None:
    ran(demo(data, runs=tmp_path), *attempts, outputs=TrainOutputs(steps=8))
    known = Known.read(tmp_path)
    two, four = (of(demo(data, f"train.epochs={epochs}"), "train", known).seconds or 0 for epochs in (2, 4))
    assert four - two == pytest.approx(8 * step)


def test_batches_of_another_size(data: Path, tmp_path: Path) -> None:
    """A step of twice as many samples takes twice as long, over the same rows all of it as long."""
    ran(demo(data, "select.strategy=last", runs=tmp_path), (80, 0, ""), outputs=TrainOutputs(steps=8))
    larger = demo(data, "select.strategy=last", "train.batch_size=20")
    assert of(larger, "train", Known.read(tmp_path)).seconds == pytest.approx(4 * 20)


def test_the_nearest_counts(data: Path, tmp_path: Path) -> None:
    """Of the runs of one model, those that differ least; another model's or another toolkit's tells nothing."""
    for folder, seconds, overrides in (
        ("a", 800, ("train.precision=bf16", "train.max_length=99")),
        ("b", 80, ("train.max_length=99",)),
        ("c", 8, ("model.init.vocab_size=999",)),
    ):
        ran(demo(data, *overrides, runs=tmp_path / folder / "x"), (seconds, 0, ""), outputs=TrainOutputs(steps=8))

    def seconds(folder: str, *overrides: str) -> float | None:
        return of(demo(data, *overrides), "train", Known.read(tmp_path / folder / "x")).seconds

    assert seconds("a") == pytest.approx(800)
    assert seconds("b") == pytest.approx(80)
    assert seconds("c") is None
    (tmp_path / "all").mkdir()
    for folder in "abc":
        (tmp_path / folder / "x" / "demo").rename(tmp_path / "all" / folder)
    assert of(demo(data), "train", Known.read(tmp_path / "all")).seconds == pytest.approx(80)
    assert of(demo(data, "train.precision=bf16"), "train", Known.read(tmp_path / "all")).seconds == pytest.approx(800)


def test_what_is_damaged_or_of_another_version_tells_nothing(data: Path, tmp_path: Path) -> None:
    plan = demo(data, runs=tmp_path)
    ran(plan, (80, 0, ""), outputs=TrainOutputs(steps=8))
    stage = plan.jobs[0].stage("train")
    assert of(demo(data), "train", Known.read(tmp_path)).seconds == pytest.approx(80)
    finish(stage, inputs=dict(stage.inputs) | {"keys": 1}, outputs=TrainOutputs(steps=8))
    assert of(demo(data), "train", Known.read(tmp_path)).seconds is None
    for edited in ({"train": 5}, {"train": {"batch_size": "x"}}, {"weights": [1]}, {"needs": 3}):
        finish(stage, inputs=dict(stage.inputs) | edited, outputs=TrainOutputs(steps=8))
        assert of(demo(data), "train", Known.read(tmp_path)).seconds is None, edited
    (stage.folder / STATE).write_text("{")
    (tmp_path / "file").write_text("")
    assert of(demo(data), "train", Known.read(tmp_path)).seconds is None
    assert Known.read(tmp_path / "absent").took == {}


def test_a_resumed_inference_tells_by_its_own_answers(data: Path, tmp_path: Path) -> None:
    plan = demo(data, runs=tmp_path)
    ran(plan, (900, 10, ""), (10, 4, "2 answers"), kind="infer", outputs=InferOutputs(requests=8))
    assert of(demo(data), "infer", Known.read(tmp_path)).seconds == pytest.approx(4 + 8)


def test_answers_as_an_earlier_run_took(data: Path, tmp_path: Path) -> None:
    plan = demo(data, runs=tmp_path)
    ran(plan, (14, 10, ""), kind="infer", outputs=InferOutputs(requests=8, processes=2))
    known = Known.read(tmp_path)
    assert of(demo(data), "infer", known).seconds == pytest.approx(10 + 8 * 1.0)
    assert of(demo(data, "resources.inference_processes=4"), "infer", known).seconds == pytest.approx(10 + 8 / 4)
    dev = demo(data, "select.strategy=dev_accuracy")  # both epochs' checkpoints answer the 8 rows of dev
    assert of(dev, "select", known).seconds == pytest.approx(2 * (10 + 8))


def test_what_is_answered_already_is_no_work(data: Path, tmp_path: Path) -> None:
    plan = demo(data, "resources.seconds_per_answer=1", runs=tmp_path)
    folder = plan.jobs[0].stage("infer").folder
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("{}\n" * 5)
    (folder / "predictions.1.jsonl").write_text("{}\n")
    assert of(plan, "infer").seconds == 2


def test_files_by_rule(data: Path) -> None:
    assert of(demo(data), "convert").disk_bytes == 48 * sizes.CONVERTED_BYTES
    assert of(demo(data), "infer").disk_bytes == 8 * sizes.ANSWERED_BYTES
    assert of(demo(data), "score").disk_bytes == 8 * sizes.SCORED_BYTES


@pytest.mark.parametrize(
    ("overrides", "weights", "states"),
    [
        ((), 20.2e6 * 4, 20.2e6 * 8),  # the adapter of rank 8 of Qwen2-7B has 20.2 million parameters
        (("train.lora.rank=16",), 40.4e6 * 4, 40.4e6 * 8),
        (("train.deepspeed=zero2",), 20.2e6 * 4, 20.2e6 * 12),
        (("train.finetuning=full",), 7e9 * 2, 7e9 * 8),
        (("train.finetuning=full", "train.precision=fp32"), 7e9 * 4, 7e9 * 8),
    ],
)
def test_checkpoints_by_rule(overrides: tuple[str, ...], weights: float, states: float) -> None:
    """Two checkpoints, and the last weights once more; of more, the newest two alone keep the optimizer's states."""
    base = ("tasks=[MELD]", "train.lora.rank=8", *overrides)
    two = of(plan_of("qwen2_7b_sft", *base), "train").disk_bytes
    five = of(plan_of("qwen2_7b_sft", *base, "train.keep_checkpoints=5"), "train").disk_bytes
    assert two == pytest.approx(3 * weights + 2 * states, rel=0.2)
    assert five == pytest.approx(6 * weights + 2 * states, rel=0.2)
    one = of(plan_of("qwen2_7b_sft", *base, "train.epochs=1"), "train").disk_bytes
    assert one == pytest.approx(2 * weights + states, rel=0.2)


def test_merged_weights_by_rule() -> None:
    assert of(plan_of("qwen2_7b_it", merge=True), "merge").disk_bytes == 14e9


def test_checkpoints_as_large_as_before(data: Path, tmp_path: Path) -> None:
    """Those that are still there tell; damaged ones tell nothing. What lies beside them counts once."""
    plan = demo(data, runs=tmp_path)
    ran(plan, (80, 0, ""), outputs=TrainOutputs(steps=8))
    by_rule = of(demo(data), "train").disk_bytes
    folder = plan.jobs[0].stage("train").folder
    beside = sum(path.stat().st_size for path in folder.iterdir())
    for step in (4, 8):
        (write_checkpoint(folder / "output", step, adapter=False) / "model.safetensors").rename(folder / f"{step}")
    assert of(demo(data), "train", Known.read(tmp_path)).disk_bytes == by_rule
    for step in (4, 8):
        (folder / f"{step}").rename(folder / "output" / f"checkpoint-{step}" / "model.safetensors")
    whole = {path.name: path.stat().st_size for path in (folder / "output" / "checkpoint-8").iterdir()}
    states = whole.pop("optimizer.pt")
    three = of(demo(data, "train.keep_checkpoints=9", "train.epochs=3"), "train", Known.read(tmp_path)).disk_bytes
    assert three == beside + 3 * sum(whole.values()) + 2 * states
