"""Parts of plans: which stages, which tasks, which splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.plan.only import chosen, splits_of, tasks_of, unmet
from orchestrator.plan.preflight import problems_of
from orchestrator.recipe.files import RecipeFiles
from tests.plan.demo import demo_plan
from tests.recipes import plan_of, shipped
from tests.shared import RECIPES
from tests.stages import finish


def test_jobs_and_stages_are_chosen_in_the_order_of_the_plan() -> None:
    plan = plan_of("qwen2_7b_sft", merge=True)
    (part,) = chosen([plan], ["MELD/merge", "MIntRec2.0", "MELD/train", "MELD/train"])
    assert [(job.name, job.partial, [stage.kind for stage in job.stages]) for job in part.jobs] == [
        ("MIntRec2.0", False, ["convert", "train", "select", "merge", "infer", "score"]),
        ("MELD", True, ["train", "merge"]),
    ]
    # a job whole, whatever else is said of it
    (part,) = chosen([plan], ["MELD/merge", "MELD"])
    assert [(job.partial, len(job.stages)) for job in part.jobs] == [(False, 6)]
    assert chosen([plan], []) == [plan]


def test_all_that_is_no_part_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        chosen([plan_of("qwen2_7b_it"), plan_of("qwen2_7b_zero_shot")], ["it/convert", "its", "zero_shot/convert"])
    assert [(problem.where, problem.message) for problem in error.value.problems] == [
        ("--only its", "unknown job `its`"),
        ("--only zero_shot/convert", "unknown stage of zero_shot `convert`"),
    ]


def test_tasks_whose_videos_are_unpacked() -> None:
    sft, zero = shipped("qwen2_vl_7b_sft"), shipped("qwen2_vl_7b_zero_shot")
    assert [task.name for task in tasks_of(sft, ["MELD/train", "MOSI"])] == ["MELD", "MOSI"]
    assert tasks_of(sft, []) == tasks_of(zero, ["zero_shot/score"])
    assert [task.name for task in tasks_of(sft, [])] == list(sft.tasks)
    assert tasks_of(zero, ["MELD"]) == []


@pytest.mark.parametrize(
    ("kind", "strategy", "splits"),
    [
        ("init", "last", ["train"]),
        ("convert", "last", ["train", "dev"]),
        ("train", "last", ["train", "dev"]),
        ("select", "last", []),
        ("select", "dev_accuracy", ["dev"]),
        ("infer", "last", ["test"]),
        ("score", "last", ["test"]),
    ],
)
def test_splits_that_a_stage_reads(data: Path, tmp_path: Path, kind: str, strategy: str, splits: list[str]) -> None:
    plan = demo_plan(data, f"select.strategy={strategy}", runs=tmp_path)
    assert splits_of(plan.jobs[0]) == ["train", "dev", "test"]
    (part,) = chosen([plan], [f"demo/{kind}"])
    assert splits_of(part.jobs[0]) == splits
    finish(part.jobs[0].stages[0])
    assert splits_of(part.jobs[0]) == []


def test_weights_and_gpus_are_looked_at_where_the_model_is_loaded(data: Path, tmp_path: Path) -> None:
    here = tmp_path / "model"
    here.mkdir()
    own = (f"model.path={here}", "model.init=null", "resources.device=auto", "model.params_b=7")
    plan = demo_plan(data, *own, runs=tmp_path)

    def said(*names: str) -> list[str]:
        (part,) = chosen([plan], names)
        return [problem.message for problem in problems_of(part)]

    assert said("demo/convert") == said("demo/score") == []
    assert said("demo/train") == said("demo/infer") == said() == said("demo")
    assert any("no config.json" in message for message in said("demo/train"))


def test_the_command_for_what_is_lacking(data: Path, tmp_path: Path) -> None:
    plan = demo_plan(data, runs=tmp_path)
    asked = RecipeFiles([RECIPES / "demo.yaml"], ["description=it's so"], ["demo"], 3)
    assert unmet([plan], asked) == []
    (part,) = chosen([plan], ["demo/select", "demo/convert", "demo/score"])
    (problem,) = unmet([part], asked, ["--runs-dir", "my runs"])
    begun, before = problem.message.split(" cannot begin: ")
    assert begun == "demo/convert and demo/select and demo/score"
    assert before == "demo/init, demo/train, demo/infer must be done before"
    # what these need of the part itself is done by the same command
    only = " ".join(f"--only demo/{kind}" for kind in ("init", "convert", "train", "select", "infer"))
    same = f"{RECIPES / 'demo.yaml'} --set 'description=it'\"'\"'s so' --task demo --limit 3 --runs-dir 'my runs'"
    assert problem.hint == f"do it first: python -m orchestrator run {same} {only}"
