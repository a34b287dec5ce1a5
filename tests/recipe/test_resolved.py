"""A recipe written out reads back as the same recipe, from wherever it lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checked_yaml.nodes import plain
from orchestrator.checked_yaml.reader import read
from orchestrator.plan.make import make_plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.resolved import as_yaml, written
from orchestrator.recipe.trust import KEPT
from tests.shared import RECIPES


def again(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe in the file that is written of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(written(recipe, folder), encoding="utf-8")
    return load_recipe(folder / "recipe.yaml", trust=KEPT)


def keys(recipe: Recipe) -> list[tuple[str, str]]:
    return [(stage.name, stage.key) for stage in make_plan(recipe, Path("runs")).stages]


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_shipped_recipe_comes_to_the_same_keys(file: Path, tmp_path: Path) -> None:
    recipe = load_recipe(file)
    other = again(recipe, tmp_path / recipe.name)
    assert other.resolved() == recipe.resolved() | {"data": recipe.resolved()["data"] | {"root": other.data.root}}
    assert Path(other.data.root) == Path(recipe.data.root).absolute()
    assert other.digest == recipe.digest
    assert keys(other) == keys(recipe)


ODD = """\
method: {method}
description: "a: b # c\\nd"
model: {{name: '007', path: models/own, toolkit: llamafactory, type: LLM, template: qwen}}
tasks: [demo, MELD]
protocol: mmla
data: {{root: sets, video_root: 'clips/{{dataset}}', columns: {{text: '5', MELD.label: 'no'}}}}
prompt: {{template: 'prompts/own-{{modality}}.j2', system: '1e-5', history: [['1:30', '~']]}}
train: {{deepspeed: ds.json, learning_rate: 1e-5, max_grad_norm: 0, extra: {{a: '1e5', '012': null, '1e5': [1, x, 2.0]}}{rows}}}
resources: {{env: {{LOG_LEVEL: 'null', 'LOGLEVEL': '-0', WANDB_TAGS: '', WANDB_NAME: 'true', WANDB_NOTES: "it's \\"so\\""}}}}
"""  # noqa: E501


@pytest.mark.parametrize("method", ["sft", "it", "zero_shot"])
def test_odd_values_and_paths_of_ones_own(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "own").mkdir(parents=True)
    (tmp_path / "models" / "own" / "config.json").write_text("{}")
    (tmp_path / "recipes" / "prompts").mkdir(parents=True)
    (tmp_path / "recipes" / "prompts" / "own-text.j2").write_text("{{ text }} {{ labels }}")
    (tmp_path / "ds.json").write_text("{}")
    rows = ", per_task: {MELD: {epochs: 2, lora: {rank: 4}}}" if method == "sft" else ""
    (tmp_path / "recipes" / "odd.yaml").write_text(ODD.format(method=method, rows=rows))
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(Path("recipes/odd.yaml"))
    assert recipe.prompt.template == "recipes/prompts/own-{modality}.j2"
    other = again(recipe, Path("runs/odd"))
    assert other.digest == recipe.digest
    assert (before := keys(other)) == keys(recipe)
    assert other.data.root == str(tmp_path / "sets")
    assert other.data.video_root == str(tmp_path / "clips/{dataset}")
    # and from another folder: the same files
    monkeypatch.chdir(tmp_path / "models")
    elsewhere = load_recipe(tmp_path / "runs/odd/recipe.yaml", trust=KEPT)
    assert keys(elsewhere) == before
    assert Path(elsewhere.model.path or "").resolve() == tmp_path / "models" / "own"


def test_a_folder_of_runs_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.json").write_text("{}")
    (tmp_path / "own.j2").write_text("{{ text }} {{ labels }}")
    (tmp_path / "disk" / "of" / "runs").mkdir(parents=True)
    (tmp_path / "runs").symlink_to(tmp_path / "disk" / "of" / "runs")
    (tmp_path / "r.yaml").write_text(
        "method: zero_shot\nmodel: {name: x, path: own, toolkit: llamafactory, type: LLM, template: qwen}\n"
        "tasks: [demo]\nprompt: {template: own.j2}\n"
    )
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(Path("r.yaml"))
    before = keys(recipe)
    assert keys(again(recipe, Path("runs/r"))) == before
    monkeypatch.chdir("/")
    for folder in ("runs", "disk/of/runs"):
        assert keys(load_recipe(tmp_path / folder / "r" / "recipe.yaml", trust=KEPT)) == before


def test_released_values_are_written_out(tmp_path: Path) -> None:
    recipe = load_recipe(RECIPES / "qwen2_7b_sft.yaml", ["protocol=released", "inference.max_new_tokens=7"])
    other = again(recipe, tmp_path)
    assert (other.digest, keys(other)) == (recipe.digest, keys(recipe))


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["no", "null", "~", "1e5", "1e-5", "012", "0x1f", "1:30", "=", "<<", "", " a", "a ", "- a", "a: b"]
    )
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn")), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1e5.-_:# ", max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "1e5", "no", "null", "0"]), values, max_size=4))
def test_any_values_read_back(data: dict[str, Any]) -> None:
    found = read(as_yaml(data), lambda line, column: f"{line}:{column}")
    assert found.all_problems == []
    assert json.dumps(plain(found.root) or {}) == json.dumps(data)
