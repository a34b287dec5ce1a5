"""Jobs, stages and keys: what makes a stage run again, and what does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.demo import write_demo_data
from orchestrator.machine.files import write_json
from orchestrator.plan import identity
from orchestrator.plan.commands import command_of
from orchestrator.plan.plan import Plan
from tests import recipes
from tests.media import write_video
from tests.shared import ROOT


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_demo_data(tmp_path / "data", sizes=(40, 8, 8))
    return tmp_path / "data"


def plan_of(root: Path, *overrides: str, recipe: str = "demo", **options: Any) -> Plan:
    return recipes.plan_of(recipe, f"data.root={root}", *overrides, **options)


def keys(plan: Plan) -> dict[str, str]:
    (job,) = plan.jobs
    return {stage.kind: stage.key for stage in job.stages}


def changed(before: Plan, after: Plan) -> set[str]:
    old, new = keys(before), keys(after)
    assert old.keys() == new.keys()
    return {kind for kind in old if old[kind] != new[kind]}


def test_jobs_of_the_methods() -> None:
    sft = recipes.plan_of("qwen2_7b_sft")
    assert len(sft.jobs) == 12
    assert [stage.kind for stage in sft.jobs[0].stages] == ["convert", "train", "select", "infer", "score"]
    it = recipes.plan_of("qwen2_7b_it", merge=True)
    assert [job.name for job in it.jobs] == ["it"]
    assert len(it.jobs[0].tasks) == 12
    assert [stage.kind for stage in it.jobs[0].stages] == ["convert", "train", "select", "merge", "infer", "score"]
    zero = recipes.plan_of("qwen2_7b_zero_shot")
    assert [[stage.kind for stage in job.stages] for job in zero.jobs] == [["infer", "score"]]


ALL = {"init", "convert", "train", "select", "infer", "score"}


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("seed=1", ALL - {"convert"}),
        ("data.limit=5", ALL),
        ("train.epochs=1", ALL - {"init", "convert"}),
        ("train.learning_rate=1e-4", ALL - {"init", "convert"}),
        ("train.extra.neftune_noise_alpha=5", ALL - {"init", "convert"}),
        ("inference.max_new_tokens=4", {"infer", "score"}),
        ("inference.split=dev", {"infer", "score"}),
        ("train.deepspeed=zero2", ALL - {"init", "convert"}),
        ("prompt.system=Answer.", ALL),
        # how, not what
        ("inference.batch_size=3", set()),
        ("train.eval_batch_size=3", set()),
        ("resources.device=auto", set()),
        ("resources.stage_timeout_hours=3", set()),
        ("description=other words", set()),
        ("resources.env.NCCL_DEBUG=INFO", set()),
        ("data.columns={MELD.text: Words}", set()),
        # what a toolkit takes from its environment may change what it computes
        ("resources.env.VIDEO_MAX_SLICE_NUMS=9", ALL - {"init", "convert"}),
    ],
)
def test_what_runs_again(data: Path, override: str, again: set[str]) -> None:
    assert changed(plan_of(data), plan_of(data, override)) == again


def test_where_things_are_changes_nothing(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(data, moved)
    assert changed(plan_of(data), plan_of(moved)) == set()
    assert plan_of(data).recipe.digest == plan_of(moved).recipe.digest


@pytest.mark.parametrize(("split", "again"), [("train", ALL), ("test", {"infer", "score"})])
def test_content_of_data_counts(data: Path, split: str, again: set[str]) -> None:
    before = plan_of(data)
    path = data / "Demo" / f"{split}.tsv"
    path.write_text(path.read_text().replace("the", "this"))
    assert changed(before, plan_of(data)) == again


def test_model_folder_counts_by_content(data: Path, tmp_path: Path) -> None:
    def with_model(folder: Path) -> Plan:
        model = f"{{name: Mine, path: {folder}, toolkit: llamafactory, template: qwen, type: LLM}}"
        return plan_of(data, f"model={model}", recipe="tiny_qwen2_zero_shot", **{})

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights" * 1000)
    first = keys(with_model(tmp_path / "a"))
    assert first == keys(with_model(tmp_path / "b"))
    (tmp_path / "b" / "model.safetensors").write_bytes(b"weightz" * 1000)
    assert first != keys(with_model(tmp_path / "b"))


def test_video_counts_by_name_and_size(data: Path) -> None:
    for split in ("train", "dev", "test"):
        path = data / "Demo" / f"{split}.tsv"
        rows = path.read_text().splitlines()
        path.write_text("\n".join([rows[0], rows[1].replace("\t\t", "\tclip.mp4\t", 1)]) + "\n")
    (data / "Demo" / "video").mkdir()
    overrides = ("model=tiny_qwen2_vl", "data.modality=video")
    missing = keys(plan_of(data, *overrides))
    write_video(data / "Demo" / "video" / "clip.mp4", frames=4)
    short = keys(plan_of(data, *overrides))
    write_video(data / "Demo" / "video" / "clip.mp4", frames=9)
    longer = keys(plan_of(data, *overrides))
    for kind in ("convert", "infer"):
        assert len({missing[kind], short[kind], longer[kind]}) == 3


def test_planning_writes_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    plan_of(data)
    plan_of(tmp_path / "nowhere")  # missing data is said when a run would need it
    assert sorted(tmp_path.rglob("*")) == before


def test_commands(data: Path, tmp_path: Path) -> None:
    plan = plan_of(data, runs=tmp_path / "runs")
    (job,) = plan.jobs
    commands = {stage.kind: command_of(plan, stage, "cpu") for stage in job.stages}
    assert commands["convert"] is commands["select"] is commands["score"] is None
    train = commands["train"]
    assert train is not None
    assert train.argv[1:] == ("-m", "llamafactory.cli", "train", "train.yaml")
    assert f"../convert-{keys(plan)['convert']}" in train.files["train.yaml"]  # relative: a runs folder can move
    infer = commands["infer"]
    assert infer is not None
    assert "checkpoint-<chosen by select>" in infer.files["config.json"]
    folder = job.stage("select").folder
    write_json(folder / "selection.json", {"path": f"../train-{keys(plan)['train']}/output/checkpoint-9"})
    again = command_of(plan, job.stage("infer"), "cpu")
    assert again is not None
    assert "output/checkpoint-9" in again.files["config.json"]


@pytest.mark.parametrize(("processes", "batch", "expected"), [(1, 16, 8), (2, 16, 4)])
def test_the_batch_is_the_same_on_any_number_of_devices(
    data: Path, tmp_path: Path, processes: int, batch: int, expected: int
) -> None:
    plan = plan_of(data, f"train.batch_size={batch}", "train.micro_batch_size=2", f"resources.processes={processes}")
    command = command_of(plan, plan.jobs[0].stage("train"), "cuda")
    assert command is not None
    assert f"gradient_accumulation_steps: {expected}\n" in command.files["train.yaml"]
    assert ("torch.distributed.run" in command.argv) == (processes > 1)


def test_batches_count_when_answers_are_sampled(data: Path) -> None:
    sampled = ("inference.temperature=0.6", "inference.top_p=0.9")
    assert changed(plan_of(data, *sampled), plan_of(data, *sampled, "inference.batch_size=3")) == {"infer", "score"}


def test_deepspeed_counts_by_content(data: Path, tmp_path: Path) -> None:
    zero2 = ROOT / "third_party" / "llamafactory" / "deepspeed" / "zero2.json"
    shutil.copy(zero2, tmp_path / "mine.json")
    mine = f"train.deepspeed={tmp_path}/mine.json"
    assert changed(plan_of(data, "train.deepspeed=zero2"), plan_of(data, mine)) == set()


def test_the_middle_of_a_large_model_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    content = bytearray(20 << 20)
    path.write_bytes(content)
    before = identity.of_file(path)
    content[7 << 20 : 8 << 20] = b"x" * (1 << 20)
    path.write_bytes(content)
    assert identity.of_file(path) != before


def test_a_variable_that_counts_is_part_of_the_digest(data: Path) -> None:
    digests = [
        plan_of(data, f"resources.env.{text}").recipe.digest for text in ("NCCL_DEBUG=INFO", "HF_HOME=x", "A=1", "A=2")
    ]
    assert digests[0] == digests[1] == plan_of(data).recipe.digest
    assert len(set(digests)) == 3


def test_a_removed_training_is_wanted_only_by_what_is_not_done(data: Path, tmp_path: Path) -> None:
    plan = plan_of(data, runs=tmp_path / "runs")
    (job,) = plan.jobs
    for stage in job.stages:
        write_json(stage.folder / "stage.json", {"state": "done"})
    assert job.done
    shutil.rmtree(job.stage("train").folder)
    shutil.rmtree(job.stage("convert").folder)
    assert job.todo() == []
    shutil.rmtree(job.stage("score").folder)
    assert [stage.kind for stage in job.todo()] == ["score"], "it reads the answers alone"
    shutil.rmtree(job.stage("infer").folder)
    # the new weights are others: what was chosen among the old ones is chosen again
    assert [stage.kind for stage in job.todo()] == ["convert", "train", "select", "infer", "score"]
    write_json(job.stage("train").folder / "stage.json", {"state": "done"})
    assert [stage.kind for stage in job.todo()] == ["infer", "score"]
    write_json(job.stage("score").folder / "stage.json", {"state": "done"})
    assert [stage.kind for stage in job.todo()] == ["infer", "score"], "it is the score of the old answers"
