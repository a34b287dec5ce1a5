"""A stage's key decides what is done again: moving code must not change one.

``keys.txt`` holds the keys of every shipped recipe over a small data set. A change that means to alter them says so in
its commit and writes the list again: ``python -m tests.plan.test_keys``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.plan.make import make_plan
from orchestrator.recipe.load import load_recipe
from tests.plan.demo import changed, demo_plan
from tests.recipes import write_rows
from tests.shared import RECIPES, ROOT

HERE = Path(__file__).resolve().parent
ALL = {"init", "convert", "train", "select", "infer", "score"}


def write_small(root: Path) -> None:
    """Two rows of each label for every split of every task; the clips that they name are not there."""
    for task in tasks().values():
        for split in SPLITS:
            names = [(f"{split}_{number}", label) for number, label in enumerate(task.labels * 2)]
            rows = [(name, f"{name}.mp4", f"I say {name}.", label) for name, label in names]
            write_rows(root / task.folders[0] / f"{split}.tsv", rows)


def lines(folder: Path) -> Iterator[str]:
    """One line a job: recipe, job, and the key of each of its stages."""
    write_small(folder / "data")
    seen: dict[str, str | None] = {}
    for file in sorted(RECIPES.glob("*.yaml")):
        recipe = load_recipe(file, [f"data.root={folder / 'data'}"])
        for job in make_plan(recipe, folder / "runs", merge=recipe.train is not None, seen=seen).jobs:
            yield " ".join([recipe.name, job.name, *(f"{stage.kind}={stage.key}" for stage in job.stages)])


def test_keys_are_those_of_before(tmp_path: Path) -> None:
    found, kept = list(lines(tmp_path)), (HERE / "keys.txt").read_text().splitlines()
    assert len({line.split()[0] for line in kept}) == len(list(RECIPES.glob("*.yaml"))) == 53
    assert found == kept


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
        ("resources.stop_grace_seconds=3", set()),
        ("description=other words", set()),
        ("resources.env.NCCL_DEBUG=INFO", set()),
        ("data.columns={MELD.text: Words}", set()),
        # what a toolkit takes from its environment may change what it computes
        ("resources.env.VIDEO_MAX_SLICE_NUMS=9", ALL - {"init", "convert"}),
    ],
)
def test_what_runs_again(data: Path, override: str, again: set[str]) -> None:
    assert changed(demo_plan(data), demo_plan(data, override)) == again


def test_where_things_are_changes_nothing(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(data, moved)
    assert changed(demo_plan(data), demo_plan(moved)) == set()
    assert demo_plan(data).recipe.digest == demo_plan(moved).recipe.digest


@pytest.mark.parametrize(("split", "again"), [("train", ALL), ("test", {"infer", "score"})])
def test_content_of_data_counts(data: Path, split: str, again: set[str]) -> None:
    before = demo_plan(data)
    path = data / "Demo" / f"{split}.tsv"
    path.write_text(path.read_text().replace("the", "this"))
    assert changed(before, demo_plan(data)) == again


def test_batches_count_when_answers_are_sampled(data: Path) -> None:
    sampled = ("inference.temperature=0.6", "inference.top_p=0.9")
    assert changed(demo_plan(data, *sampled), demo_plan(data, *sampled, "inference.batch_size=3")) == {"infer", "score"}


def test_deepspeed_counts_by_content(data: Path, tmp_path: Path) -> None:
    zero2 = ROOT / "third_party" / "llamafactory" / "deepspeed" / "zero2.json"
    shutil.copy(zero2, tmp_path / "mine.json")
    mine = f"train.deepspeed={tmp_path}/mine.json"
    assert changed(demo_plan(data, "train.deepspeed=zero2"), demo_plan(data, mine)) == set()


def test_a_variable_that_counts_is_part_of_the_digest(data: Path) -> None:
    digests = [
        demo_plan(data, f"resources.env.{text}").recipe.digest
        for text in ("NCCL_DEBUG=INFO", "HF_HOME=x", "A=1", "A=2")
    ]
    assert digests[0] == digests[1] == demo_plan(data).recipe.digest
    assert len(set(digests)) == 3


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        (HERE / "keys.txt").write_text("".join(f"{line}\n" for line in lines(Path(temporary))))
    print(f"written: {HERE / 'keys.txt'}", file=sys.stderr)
