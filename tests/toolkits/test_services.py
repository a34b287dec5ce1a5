"""Which secrets of the shell each toolkit's processes are given, and where these go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environments.places import toolkit_names
from orchestrator.launch.local import Launcher
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import services
from orchestrator.toolkits.base import Command, TrainInputs
from orchestrator.toolkits.registry import engine, trainer
from orchestrator.toolkits.reporting import clients, reporting_services
from orchestrator.toolkits.services import Service, services_of
from tests.shared import ROOT
from tests.toolkits.test_options import TOOLKITS, recipe

FOLDER = Path(services.__file__).parent
ALL = {
    "HF_TOKEN": "hf_a", "OPENAI_API_KEY": "sk-a", "WANDB_API_KEY": "w", "MLFLOW_TRACKING_TOKEN": "m", "GITHUB_PAT": "g",
    "AWS_SECRET_ACCESS_KEY": "x", "SWANLAB_API_KEY": "s",
}  # fmt: skip


def given(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """Which of the secrets a process gets."""
    for name, value in ALL.items():
        monkeypatch.setenv(name, value)
    return ALL.keys() & Launcher().variables(tmp_path, command, tmp_path).keys()


def trained(toolkit: str, **more: Any) -> Command:
    return trainer(toolkit).train(recipe(toolkit, {}, **more), TrainInputs(model="some/id", data="d", device="cpu"))


@pytest.mark.parametrize("toolkit", TOOLKITS)
def test_weights_of_the_hub_want_its_token_alone(toolkit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(trained(toolkit), monkeypatch, tmp_path) == {"HF_TOKEN"}
    assert given(trained(toolkit, train={"report_to": ["wandb"]}), monkeypatch, tmp_path) == {
        "HF_TOKEN",
        "WANDB_API_KEY",
    }
    command = engine(toolkit).infer(
        recipe(toolkit, {}, method="zero_shot"), {"model": "some/id", "device": "cpu", "parts": {}}
    )
    assert given(command, monkeypatch, tmp_path) == {"HF_TOKEN"}


def test_weights_that_are_here_want_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for toolkit in ("llamafactory", "swift"):
        here = recipe(toolkit, {}, model={"path": str(tmp_path)})
        command = trainer(toolkit).train(here, TrainInputs(model=str(tmp_path), data="d", device="cpu"))
        assert given(command, monkeypatch, tmp_path) == set()


def test_a_hosted_model_wants_its_key_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {"name": "m", "path": "gpt", "toolkit": "openai_api", "type": "MLLM", "gpus": 0}
    hosted = Recipe.model_validate({"name": "r", "method": "zero_shot", "tasks": ["demo"], "model": model})
    assert given(engine("openai_api").infer(hosted, {}), monkeypatch, tmp_path) == {"OPENAI_API_KEY"}


def test_an_address_with_a_login_goes_with_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://me:pw@mirror")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:pw@server/v1")
    variables = Launcher().variables(tmp_path, trained("llamafactory"), tmp_path)
    assert variables["HF_ENDPOINT"] == "https://me:pw@mirror"
    assert "OPENAI_BASE_URL" not in variables
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    assert "OPENAI_BASE_URL" in Launcher().variables(tmp_path, trained("llamafactory"), tmp_path), "no secret"


def test_where_a_key_goes_is_told_and_holds_no_login() -> None:
    server = Service(why="answers", secrets=("A_KEY", "B_KEY"), address="WHERE", usual="https://usual")
    assert server.told({}) is None
    assert server.told({"A_KEY": ""}) is None
    assert server.told({"A_KEY": "x"}) == "A_KEY goes to https://usual, for answers"
    told = server.told({"A_KEY": "x", "B_KEY": "y", "WHERE": "https://me:pw@else/v1\x1b[2J"})
    assert told == "A_KEY, B_KEY goes to https://***@else/v1<U+001B>[2J (WHERE), for answers"


def test_it_is_told_before_the_process_starts_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "x")
    said: list[str] = []
    command = Command(("true",), services=(Service(secrets=("A_KEY",), usual="https://usual", why="answers"),))
    launcher = Launcher()
    for _ in range(2):
        launcher._tell_addresses(command, {"A_KEY": "x"}, said.append)
    assert said == ["A_KEY goes to https://usual, for answers"]
    launcher._tell_addresses(command, {}, said.append)
    assert len(said) == 1


def test_the_page_lists_what_each_process_gets() -> None:
    """docs/security.md has a line for each variable that holds a key, with whom it goes to."""
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = {tuple(re.findall(r"`(\w+)`", line)): line for line in page.splitlines() if line.startswith("| ")}
    told = {names[0]: line for names, line in rows.items() if names}
    known = [service for name in toolkit_names() for service in services_of(FOLDER / name).values()]
    for service in (*known, *clients().values()):
        for secret in service.secrets:
            assert secret in told, f"docs/security.md does not say who gets {secret}"
            assert not service.address or f"`{service.address}`" in told[secret]
    listed = {name for name in told if re.fullmatch(r"[A-Z_]*(TOKEN|KEY|PASSWORD|HEADERS|ID)", name)}
    assert listed == {secret for service in (*known, *clients().values()) for secret in service.secrets}


@pytest.mark.parametrize("toolkit", [*TOOLKITS, "openai_api"])
def test_the_page_lists_what_else_is_set_and_taken_away(toolkit: str) -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| ")}
    if toolkit == "openai_api":
        model = {"name": "m", "path": "gpt", "toolkit": "openai_api", "type": "MLLM", "gpus": 0}
        hosted = Recipe.model_validate({"name": "r", "method": "zero_shot", "tasks": ["demo"], "model": model})
        commands, row = [engine(toolkit).infer(hosted, {})], rows[toolkit]
    else:
        several = {"processes": 2, "device": "cpu"}
        more = {"resources": several, "train": {"deepspeed": "zero2", "batch_size": 16}}
        commands = [trained(toolkit), trained(toolkit, data={"modality": "video"}), trained(toolkit, **more)]
        commands.append(
            engine(toolkit).infer(recipe(toolkit, {}, method="zero_shot"), {"model": "a", "device": "cpu", "parts": {}})
        )
        row = rows["all that load weights"] + rows[toolkit]
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", row))
    held = {name for command in commands for name in (*command.env, *command.unset)}
    assert held - named == set()


def test_every_name_of_reporting_is_known() -> None:
    assert reporting_services(["wandb", "tensorboard"]) == (clients()["tensorboard"], clients()["wandb"])
