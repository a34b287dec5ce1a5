"""Combinations of a sweep that come to the same run."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.plan.make import make_plan
from orchestrator.plan.same import refuse_same
from orchestrator.recipe.load import load_sweep
from tests.shared import RECIPES


def problems(data: Path, folder: Path, *sweep: str, text: str = "") -> list[str]:
    path = folder / "a.yaml"
    path.write_text(f"extends: {RECIPES}/demo.yaml\ndata: {{root: {data}}}\nresources: {{device: cpu}}\n{text}")
    plans = [make_plan(recipe, folder / "runs") for recipe in load_sweep(path, sweep=sweep)]
    try:
        refuse_same(plans)
    except InputError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_what_is_trained_with_differs(data: Path, tmp_path: Path) -> None:
    assert problems(data, tmp_path, "seed=1,2", "train.learning_rate=1e-4,1e-3") == []


def test_what_a_method_does_not_use_is_named(data: Path, tmp_path: Path) -> None:
    option = "train.learning_rate=1e-4,1e-3,1e-2"
    assert problems(data, tmp_path, option, "seed=1,2", text="method: zero_shot\n") == [
        f"--sweep {option}: a-learning_rate_1e-4-seed_1, a-learning_rate_1e-3-seed_1, a-learning_rate_0.01-seed_1 "
        "come to the same run: `train.learning_rate` changes nothing that is computed here, as zero_shot trains "
        "nothing\n    leave `train.learning_rate` out of the sweep"
    ]


def test_greedy_answers_of_weights_that_are_there_draw_nothing(data: Path, tmp_path: Path) -> None:
    text = f"method: zero_shot\nmodel: {{path: {tmp_path}}}\nsweep:\n  seed: [1, 2]\n"
    assert problems(data, tmp_path, text=text) == [
        f"{tmp_path}/a.yaml:7:10: a-seed_1, a-seed_2 come to the same run: `seed` changes nothing that is computed "
        "here, as nothing is trained and greedy answers draw nothing\n    leave `seed` out of the sweep"
    ]
    assert problems(data, tmp_path, "inference.temperature=0.5", text=text) == []


def test_how_fast_it_goes_is_no_other_run(data: Path, tmp_path: Path) -> None:
    (said,) = problems(data, tmp_path, "inference.batch_size=1,8", "resources.stage_timeout_hours=1,2")
    assert "`inference.batch_size` and `resources.stage_timeout_hours` change nothing" in said
