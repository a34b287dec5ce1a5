"""``train.per_task``: a table of what differs between the tasks of an sft recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.plan import preflight
from orchestrator.plan.commands import command_of
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.schema import recipe_schema
from orchestrator.recipe.train import Train

BASE = """\
method: sft
model: qwen2_7b
tasks: [MELD, MIntRec2.0, MOSI]
train:
  epochs: 4
  batch_size: 8
  lora: {rank: 16, alpha: 32}
  extra: {neftune_noise_alpha: 5, flash_attn: sdpa}
"""
ROWS = """\
  per_task:
    MELD: {epochs: 10, lora: {rank: 64}, extra: {flash_attn: fa2}}
    MIntRec2.0:
      batch_size: 64
      max_steps: 7
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMLA_DATA_ROOT", raising=False)


def load(text: str, *overrides: str, name: str = "x.yaml") -> Recipe:
    Path(name).write_text(text)
    return load_recipe(Path(name), overrides)


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(text, *overrides)
    return [str(problem) for problem in caught.value.problems]


def planned(text: str, *overrides: str) -> Plan:
    return make_plan(load(text, *overrides), Path("runs"))


def keys(plan: Plan) -> dict[str, dict[str, str]]:
    return {job.name: {stage.kind: stage.key for stage in job.stages} for job in plan.jobs}


def test_a_row_lies_over_the_section() -> None:
    recipe = load(BASE + ROWS)
    train = recipe.train_for("MELD")
    assert (train.epochs, train.batch_size, train.lora.rank, train.lora.alpha) == (10, 8, 64, 32)
    assert train.extra == {"neftune_noise_alpha": 5, "flash_attn": "fa2"}
    assert train.per_task == {}
    other = recipe.train_for("MIntRec2.0")
    assert (other.epochs, other.batch_size, other.max_steps, other.lora.rank) == (4, 64, 7, 16)
    assert recipe.train_for("MOSI") == load(BASE).train
    assert recipe.train_for(None) is recipe.train


def test_a_default_that_is_written_out_counts() -> None:
    rows = "  per_task:\n    MELD: {epochs: 3, max_steps: null, lora: {rank: 8}}\n"
    train = load(BASE.replace("epochs: 4", "epochs: 4\n  max_steps: 9") + rows).train_for("MELD")
    assert (train.epochs, train.max_steps, train.lora.rank, train.lora.alpha) == (3, None, 8, 32)


def test_resolved_is_the_same_recipe_again() -> None:
    recipe = load(BASE + ROWS)
    resolved = recipe.resolved()
    assert resolved["train"]["per_task"]["MELD"] == {"epochs": 10, "lora": {"rank": 64}, "extra": {"flash_attn": "fa2"}}
    again = load(json.dumps(resolved), name="y.yaml")
    assert again.resolved() == resolved
    assert again.digest == recipe.digest
    assert again.train_for("MELD") == recipe.train_for("MELD")


def test_the_digest_counts_rows_and_only_rows() -> None:
    assert load(BASE + ROWS).digest != load(BASE).digest
    assert load(BASE + "  per_task: {}\n").digest == load(BASE).digest == load(BASE + "  per_task:\n").digest


def test_rows_are_merged_by_extends_and_removed_by_null() -> None:
    Path("base.yaml").write_text(BASE + ROWS)
    child = "extends: base.yaml\ntrain: {per_task: {MELD: {epochs: 11}, MIntRec2.0: null, MOSI: {epochs: 2}}}\n"
    recipe = load(child)
    assert recipe.train is not None
    assert set(recipe.train.per_task) == {"MELD", "MOSI"}
    assert (recipe.train_for("MELD").epochs, recipe.train_for("MELD").lora.rank) == (11, 64)
    assert load("extends: base.yaml\ntrain: {per_task: null}\n").train_for("MELD").epochs == 4


def test_what_a_child_says_for_all_is_over_the_rows_of_its_bases() -> None:
    Path("base.yaml").write_text(BASE + ROWS)
    child = "extends: base.yaml\ntrain: {epochs: 1, extra: {flash_attn: sdpa}, per_task: {MOSI: {epochs: 2}}}\n"
    recipe = load(child)
    assert [recipe.train_for(task).epochs for task in recipe.tasks] == [1, 1, 2]
    assert recipe.train_for("MELD").lora.rank == 64
    assert recipe.train_for("MELD").extra["flash_attn"] == "sdpa"
    assert recipe.train_for("MIntRec2.0").batch_size == 64
    # over two levels
    grandchild = load("extends: x.yaml\ntrain: {lora: {rank: 2}}\n", name="y.yaml")
    assert [grandchild.train_for(task).lora.rank for task in recipe.tasks] == [2, 2, 2]
    assert [grandchild.train_for(task).epochs for task in recipe.tasks] == [1, 1, 2]
    Path("quick.yaml").write_text("train: {epochs: 1}\n")
    # files beside each other do not know of each other: rows win
    assert load("extends: [base.yaml, quick.yaml]\n").train_for("MELD").epochs == 10
    assert load("extends: [quick.yaml, base.yaml]\n").train_for("MELD").epochs == 10


def test_an_override_is_over_every_row() -> None:
    recipe = load(BASE + ROWS, "train.epochs=1", "train.lora.rank=2")
    assert [recipe.train_for(task).epochs for task in recipe.tasks] == [1, 1, 1]
    assert [recipe.train_for(task).lora.rank for task in recipe.tasks] == [2, 2, 2]
    assert recipe.train_for("MIntRec2.0").batch_size == 64
    recipe = load(BASE + ROWS, "train.per_task.MIntRec2.0.batch_size=32", "train.per_task.MELD.lora.alpha=1")
    assert recipe.train_for("MIntRec2.0").batch_size == 32
    assert (recipe.train_for("MELD").lora.rank, recipe.train_for("MELD").lora.alpha) == (64, 1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("MELDD: {epochs: 3}", "10:5: unknown task `MELDD`\n    did you mean `MELD`?"),
        ("MELD: {epoch: 3}", "10:12: unknown key `train.per_task.MELD.epoch`\n    did you mean `epochs`?"),
        ("MELD: {per_task: {}}", "10:12: unknown key `train.per_task.MELD.per_task`\n    "
         "`per_task` belongs under `train`"),
        ("MIntRec2.0: {epochs: '3'}", "10:26: `train.per_task.MIntRec2.0.epochs` must be a number, not the text '3'\n"
         "    remove the quotes"),
        ("MELD: {lora: {rank: 0}}", "10:25: `train.per_task.MELD.lora.rank` must be at least 1, not 0"),
        ("MELD: {deepspeed: zero_2}", "10:23: `train.per_task.MELD.deepspeed`: unknown DeepSpeed configuration "
         "`zero_2`\n    did you mean `zero2`?"),
        ("MELD: 3", "10:11: `train.per_task.MELD` must be a mapping (lines of `key: value`), not the number 3"),
        ("MIntRec2.0: {micro_batch_size: 3}", "10:36: `train.batch_size` 8 cannot be split over 1 process(es) x "
         "micro_batch_size 3 = 3 samples\n    "
         "batch_size 6 or 9 would work, or with 8 a micro_batch_size of 1, 2, 4, 8"),
    ],
)  # fmt: skip
def test_wrong_rows(row: str, expected: str) -> None:
    assert problems(f"{BASE}  per_task:\n    {row}\n") == [f"x.yaml:{expected}"]
    assert f"x.yaml:{expected}" in problems(f"{BASE}  per_task:\n    {row}\nsed: 3\n")  # beside another mistake


def test_a_row_with_an_unknown_task_in_an_override() -> None:
    assert problems(BASE, "train.per_task.MELDD.epochs=1") == [
        "--set train.per_task.MELDD.epochs=1: unknown task `MELDD`\n    did you mean `MELD`?"
    ]


def test_rows_of_tasks_that_are_not_run_need_not_fit() -> None:
    row = "  per_task:\n    MELD: {batch_size: 3}\n"
    (problem,) = problems(BASE + row, "resources.processes=2")
    assert problem.startswith("x.yaml:10:24: `train.batch_size` 3 cannot be split over 2 process(es)")
    assert load(BASE + row, "resources.processes=2", "tasks=[MOSI]").train_for("MELD").batch_size == 3


def test_only_for_sft() -> None:
    assert problems((BASE + ROWS).replace("method: sft", "method: it")) == [
        "x.yaml:10:5: `train.per_task` is for method sft: `it` trains once for all tasks\n"
        "    remove it, or write method: sft"
    ]
    assert load((BASE + ROWS).replace("method: sft", "method: zero_shot")).train is None


def test_schema_has_the_rows() -> None:
    definitions = recipe_schema()["$defs"]
    rows = definitions["Train"]["properties"]["per_task"]
    assert "MIntRec2.0" in rows["propertyNames"]["enum"]
    row = definitions["TaskTrain"]["properties"]
    assert row.keys() == Train.model_fields.keys() - {"per_task", "report_to"}
    assert not any("default" in key for key in row.values())


# --- reports


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tensorboard", ("tensorboard",)),
        ("[wandb, tensorboard]", ("wandb", "tensorboard")),
        ("none", ()),
        ("[none]", ()),
        ("null", ()),
        ("[]", ()),
    ],
)
def test_report_to_is_a_name_or_a_list(written: str, expected: tuple[str, ...]) -> None:
    for recipe in (load(f"{BASE}  report_to: {written}\n"), load(BASE, f"train.report_to={written}")):
        assert recipe.training.report_to == expected
        assert recipe.digest == load(BASE).digest, "who is told changes no result"


def test_what_report_to_cannot_be() -> None:
    for written, said in (
        ("3", "must be a name or a list of names\n    for example tensorboard, or [tensorboard, wandb]"),
        ("[wandb, 3]", "must be a name or a list of names\n    for example tensorboard, or [tensorboard, wandb]"),
        ("all", "`all` would be whatever is installed\n    name them: [tensorboard, wandb]"),
        ("[wandb, wandb]", "`wandb` is named twice\n    remove one"),
    ):
        (found,) = problems(f"{BASE}  report_to: {written}\n")
        assert found.endswith(said)
        assert "x.yaml:" in found


# --- the plan


def test_a_row_changes_its_own_job_alone() -> None:
    plain, before = keys(planned(BASE)), keys(planned(BASE + ROWS))
    assert before["MOSI"] == plain["MOSI"]
    after = keys(planned(BASE + ROWS, "train.per_task.MELD.epochs=11"))
    for task in ("MIntRec2.0", "MOSI"):
        assert after[task] == before[task]
    changed = {kind for kind, key in before["MELD"].items() if after["MELD"][kind] != key}
    assert changed == {"train", "select", "infer", "score"}


def test_a_row_is_the_same_as_a_recipe_with_its_values() -> None:
    recipe = BASE.replace("batch_size: 8", "batch_size: 64\n  max_steps: 7")
    assert keys(planned(BASE + ROWS))["MIntRec2.0"] == keys(planned(recipe))["MIntRec2.0"]


def test_how_evaluation_is_batched_for_a_task_changes_nothing() -> None:
    assert keys(planned(BASE + ROWS, "train.per_task.MELD.eval_batch_size=3")) == keys(planned(BASE + ROWS))


def test_the_command_has_the_jobs_values() -> None:
    plan = planned(BASE + ROWS)
    files = {}
    for job in plan.jobs:
        command = command_of(plan, job.stage("train"), "cuda")
        assert command is not None
        files[job.name] = command.files["train.yaml"]
    assert "num_train_epochs: 10.0\n" in files["MELD"]
    assert "lora_rank: 64\n" in files["MELD"]
    assert "gradient_accumulation_steps: 64\n" in files["MIntRec2.0"]
    assert "num_train_epochs: 4.0\n" in files["MOSI"]


def test_inference_of_a_job_uses_its_values() -> None:
    plan = planned(BASE + "  per_task:\n    MELD: {finetuning: full, max_length: 99}\n")
    config = {}
    for job in plan.jobs:
        command = command_of(plan, job.stage("infer"), "cuda")
        assert command is not None
        config[job.name] = json.loads(command.files["config.json"])
    assert (config["MELD"]["finetuning"], config["MELD"]["adapter"], config["MELD"]["max_length"]) == ("full", None, 99)
    assert (config["MOSI"]["finetuning"], config["MOSI"]["max_length"]) == ("lora", 1024)


def test_the_toolkit_checks_every_row() -> None:
    plan = planned(BASE + "  per_task:\n    MELD: {extra: {learning_rate: 1}}\n", "resources.device=cpu")
    found = [problem.message for problem in preflight.problems_of(plan)]
    assert sum("train.extra.learning_rate" in message for message in found) == 1
