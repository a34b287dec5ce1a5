"""Real toolkits side by side: two at once come to the answers that they come to one after another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestrator.data.demo import write_demo_data
from orchestrator.environments.environment import Environment
from orchestrator.plan.record import read
from tests.running import texts
from tests.toolkits import test_llamafactory, test_llava_next, test_swift, test_videollama2
from tests.toolkits.conftest import ready

pytestmark = [pytest.mark.toolkit, pytest.mark.long]


def llamafactory(folder: Path, tmp: pytest.TempPathFactory) -> Path:
    write_demo_data(folder / "data", sizes=(160, 16, 24))
    text = f"method: sft\ntasks: [demo]\ndata: {{root: {folder}/data}}\ntrain: {{epochs: 2, save_steps: 5}}\n"
    return test_llamafactory.recipe_file(folder, text)


def swift(folder: Path, tmp: pytest.TempPathFactory) -> Path:
    data = test_swift.data.__wrapped__(tmp)  # type: ignore[attr-defined]
    models = test_swift.models.__wrapped__(Environment.load("swift"), data, tmp)  # type: ignore[attr-defined]
    return test_swift.recipe_file(folder, "sft", data, models / "qwen2_vl", "epochs: 5, learning_rate: 1e-2")


def llava_next(folder: Path, tmp: pytest.TempPathFactory) -> Path:
    data = test_llava_next.data.__wrapped__(tmp)  # type: ignore[attr-defined]
    tiny = test_llava_next.tiny.__wrapped__(Environment.load("llava_next"), tmp)  # type: ignore[attr-defined]
    return test_llava_next.recipe_file(tiny, data, folder, "sft", train=test_llava_next.TRAIN)


def videollama2(folder: Path, tmp: pytest.TempPathFactory) -> Path:
    data = test_videollama2.data.__wrapped__(tmp)  # type: ignore[attr-defined]
    weights = test_videollama2.weights.__wrapped__(Environment.load("videollama2"), tmp)  # type: ignore[attr-defined]
    return test_videollama2.recipe_file(folder, weights, data, test_videollama2.SFT)


RECIPES: dict[str, Callable[[Path, pytest.TempPathFactory], Path]] = {
    "llamafactory": llamafactory, "swift": swift, "llava_next": llava_next, "videollama2": videollama2,
}  # fmt: skip


class Done(NamedTuple):
    """What came of a job: its answers, and the digests of all weights that were trained."""

    answers: dict[str, str]
    weights: dict[str, str]


def done(job: Path) -> Done:
    (infer,), (train,) = job.glob("infer-*"), job.glob("train-*")
    files = sorted(train.glob("output/checkpoint-*/*.safetensors"))
    weights = {str(file.relative_to(train)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return Done(texts(infer / "predictions.jsonl"), weights)


@pytest.mark.parametrize("names", [("llamafactory", "swift"), ("llava_next", "videollama2")])
def test_two_at_once_answer_as_one_after_another(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, names: tuple[str, str]
) -> None:
    for name in names:
        ready(name)
    recipes = []
    for name in names:
        (tmp_path / name).mkdir()
        recipe = RECIPES[name](tmp_path / name, tmp_path_factory)
        recipes.append(recipe.rename(recipe.with_name(f"{name}.yaml")))
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        where = ("--runs-dir", folder / "runs", "--results-dir", folder, "--jobs", jobs)
        test_llamafactory.orchestrator("run", *recipes, "--set", "resources.device=cpu", *where)
    for name in names:
        one, other = (done(tmp_path / str(jobs) / "runs" / name / "demo") for jobs in (1, 2))
        assert one == other
        assert one.weights, "there is something to compare"
        assert one.answers
    records = [read(path) for path in (tmp_path / "2" / "runs").glob("*/demo/*-*")]
    spans = [(one.attempts[0].started_at, one.ended_at) for one in records if one and one.argv]
    assert any(one[0] < other[1] and other[0] < one[1] for one, other in combinations(spans, 2)), "they ran at once"
