"""The sections of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.recipe.sections import Data, Inference, Resources
from orchestrator.recipe.train import Train


def test_top_p_needs_sampling() -> None:
    with pytest.raises(ValidationError, match="no effect at temperature 0"):
        Inference(top_p=0.9)
    assert Inference(top_p=0.9, temperature=0.6).top_p == 0.9


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "OPENAI_API_KEY", "password", "AWS_SECRET", "DB_PASS", "CREDENTIALS", "A_PAT"]
)
def test_secrets_stay_out_of_recipes(name: str) -> None:
    with pytest.raises(ValidationError, match=f"`{name}` looks like a secret"):
        Resources(env={name: "x"})


def test_logins_in_addresses_stay_out_of_recipes() -> None:
    for options in (
        {"HTTPS_PROXY": "http://me:s3cret@proxy:3128"},
        {"X": "see https://:x@host/path"},
        {"U": "https://token@host"},
    ):
        with pytest.raises(ValidationError, match="looks like a secret"):
            Resources(env=options)
        with pytest.raises(ValidationError, match="looks like a secret"):
            Train(extra=options)
    assert Resources(env={"HTTPS_PROXY": "http://proxy:3128", "X": "a@b, http://host/a:b@c", "NO": "bypass"})


def test_settings_that_only_sound_like_secrets() -> None:
    assert Resources(env={"TOKENIZERS_PARALLELISM": "false", "KEYBOARD": "x"})


@pytest.mark.parametrize(
    "columns",
    [
        {"txt": "a"},
        {"text": " "},
        ["id", "text"],
        ["text", "label"],
        ["id", "text", "text", "label"],
        {"MELD.x": "a"},
        {"meld.text": "a"},
        {"MELDD.text": "a"},
        {".text": "a"},
    ],
)
def test_columns_that_cannot_be_meant(columns: Any) -> None:
    with pytest.raises(ValidationError):
        Data(root="x", columns=columns)


def test_columns_in_a_recipe() -> None:
    assert Data(root="x", columns={"text": "Utterance"}).columns == {"text": "Utterance"}
    assert Data(root="x", columns=["id", "text", "label"]).columns == ["id", "text", "label"]


def test_a_home_folder_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMLA_DATA_ROOT", "~/MMLA")
    assert Data().root == str(Path.home() / "MMLA")
