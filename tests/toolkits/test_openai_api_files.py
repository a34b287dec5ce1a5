"""What the openai_api module checks and writes, without its environment; tests/toolkits runs the real client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import InputError
from orchestrator.plan.devices import device_of
from orchestrator.plan.make import make_plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.trust import trust_of
from orchestrator.toolkits.openai_api.inside.frames import spread
from orchestrator.toolkits.registry import engine

ENGINE = engine("openai_api")
KEY = "sk-test-never-to-be-seen"
MODEL = "model: {name: Served, path: served, toolkit: openai_api, type: LLM, gpus: 0}\n"


@pytest.fixture(autouse=True)
def _clean_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MMLA_API_RETRIES", "MMLA_API_TIMEOUT_SECONDS"):
        monkeypatch.delenv(name, raising=False)


def write_recipe(folder: Path, text: str = MODEL + "method: zero_shot\n") -> Path:
    (folder / "data" / "Demo").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "Demo" / "test.tsv").write_text("id\tvideo\ttext\tlabel\n1\t\tWhy?\tquestion\n")
    path = folder / "api.yaml"
    path.write_text(f"tasks: [demo]\ndata: {{root: {folder}/data}}\n{text}")
    return path


def api_recipe(folder: Path, *overrides: str) -> Recipe:
    allowed = trust_of(["OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG"])
    return load_recipe(write_recipe(folder), overrides, trust=allowed)


def test_a_key_or_a_server_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = ENGINE.problems(api_recipe(tmp_path))
    assert problem.startswith("OPENAI_API_KEY is not set: type `export OPENAI_API_KEY=...` in the shell")
    local = "resources.env={OPENAI_BASE_URL: 'http://localhost:8000/v1'}"
    assert ENGINE.problems(api_recipe(tmp_path, local)) == []
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    assert len(ENGINE.problems(api_recipe(tmp_path))) == 1
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert ENGINE.problems(api_recipe(tmp_path)) == []
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\u201d")  # copied with its quotation mark
    (problem,) = ENGINE.problems(api_recipe(tmp_path))
    assert "characters that no key has" in problem
    assert KEY not in problem


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.revision=main", "model.revision"),
        ("model.gpus=1", "set it to 0"),
        ("resources.inference_processes=2", "one process asks as many at once as inference.batch_size says"),
        ("inference.max_cost=3", "set model.prices, e.g. {input: 2.5, output: 10}"),
        ("resources.env={OPENAI_BASE_URL: 'localhost:8000'}", "is no address"),
        ("resources.env={OPENAI_CUSTOM_HEADERS: 'X-Team: x'}", "resources.env.OPENAI_CUSTOM_HEADERS"),
        ("resources.env={OPENAI_LOG: debug}", "resources.env.OPENAI_LOG"),
        ("resources.env={MMLA_API_RETRIES: '1.5'}", "MMLA_API_RETRIES must be"),
        ("resources.env={MMLA_API_TIMEOUT_SECONDS: 'long'}", "MMLA_API_TIMEOUT_SECONDS must be"),
        ("resources.env={MMLA_API_TIMEOUT_SECONDS: '0'}", "MMLA_API_TIMEOUT_SECONDS must be"),
        ("resources.env={MMLA_API_TIMEOUT_SECONDS: 'nan'}", "MMLA_API_TIMEOUT_SECONDS must be"),
    ],
)
def test_what_it_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, said: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (problem,) = ENGINE.problems(api_recipe(tmp_path, override))
    assert said in problem


def test_a_model_from_scratch_is_refused(tmp_path: Path) -> None:
    made = MODEL.replace("path: served", "init: {config: {model_type: qwen2}}")
    recipe = load_recipe(write_recipe(tmp_path, made + "method: zero_shot\n"), (), (), None)
    with pytest.raises(InputError, match="trains nothing") as raised:
        make_plan(recipe, tmp_path / "runs")
    (problem,) = raised.value.problems
    assert problem.where.startswith(f"{tmp_path}/api.yaml:3:")
    assert problem.hint.startswith("nor does it make a model from scratch: set model.path")


def test_plan_needs_no_key_and_shows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_recipe(tmp_path)
    run = CliRunner()
    without = run.invoke(app, ["plan", str(path), "--files", "--runs-dir", str(tmp_path / "runs")])
    assert without.exit_code == 0, without.output
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with_key = run.invoke(app, ["plan", str(path), "--files", "--runs-dir", str(tmp_path / "runs")])
    assert with_key.output == without.output
    assert "openai_api/inside/infer.py config.json" in with_key.output


@pytest.mark.parametrize("command", ["run", "validate"])
def test_nothing_is_launched_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="OPENAI_API_KEY is not set"):
        CliRunner().invoke(app, [command, str(write_recipe(tmp_path))], catch_exceptions=False)
    assert not list(tmp_path.glob("runs/*/*/infer-*"))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    recipe = api_recipe(tmp_path, "resources.env={OPENAI_BASE_URL: 'http://localhost:8000/v1'}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()  # a folder of the model's name is not the model
    command = ENGINE.infer(recipe, {"model": str(tmp_path / "served"), "batch_size": 8, "shard": None})
    assert command.argv[0].endswith("third_party/openai_api/.venv/bin/python")
    assert json.loads(command.files["config.json"])["model"] == "served"
    assert command.env == {"PYTHONUNBUFFERED": "1", "OPENAI_BASE_URL": "http://localhost:8000/v1"}
    assert "OPENAI_LOG" in command.unset
    assert KEY not in repr(command)


def test_prices_and_limits_are_given_to_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    limits = ("inference.max_cost=3", "inference.max_requests=7", "model.prices={input: 2, output: 4}")
    recipe = api_recipe(tmp_path, *limits)
    assert ENGINE.problems(recipe) == []
    config = json.loads(ENGINE.infer(recipe, {"batch_size": 8}).files["config.json"])
    assert (config["max_cost"], config["max_requests"]) == (3, 7)
    assert (config["prices"]["input"], config["prices"]["output"]) == (2, 4)
    assert json.loads(ENGINE.infer(api_recipe(tmp_path), {}).files["config.json"])["prices"] is None


def test_the_catalogues_prices_can_be_changed_one_by_one(tmp_path: Path) -> None:
    model = "model: {name: gpt_4o, prices: {output: 3}}\nmethod: zero_shot\n"
    prices = load_recipe(write_recipe(tmp_path, model), ["model.prices.cached_input=1"], (), None).model.prices
    assert prices is not None
    assert (prices.input, prices.output, prices.cached_input) == (2.5, 3, 1)


def test_the_sampled_answers_of_a_server_do_not_depend_on_how_many_are_asked_at_once(tmp_path: Path) -> None:
    plans = [
        make_plan(api_recipe(tmp_path, "inference.temperature=1", f"inference.batch_size={size}"), tmp_path / "runs")
        for size in (2, 3)
    ]
    assert len({plan.jobs[0].stage("infer").key for plan in plans}) == 1


def test_it_holds_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert device_of(make_plan(api_recipe(tmp_path), tmp_path / "runs")) == "cpu"


def test_training_and_converting_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    convert = ["convert", "--task", "demo", "--split", "test", "--toolkit", "openai_api", "--out", str(out)]
    for arguments, hint in (
        (["plan", str(write_recipe(tmp_path)), "--set", "method=sft"], "write method: zero_shot instead of sft, or"),
        ([*convert, "--data-root", str(tmp_path / "data")], "those that train: llamafactory, llava_next, "),
    ):
        with pytest.raises(InputError, match=r"the toolkit `openai_api` trains nothing") as raised:
            CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert raised.value.problems[0].hint.startswith(hint)
    assert not out.exists()


def test_frames_are_evenly_spaced() -> None:
    assert spread(8, 4) == [0, 2, 4, 7]
    assert spread(100, 5) == [0, 24, 49, 74, 99]
    assert spread(3, 4) == [0, 1, 2]
    assert spread(9, 1) == [0]
    assert spread(0, 4) == []
