from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.machine.files import text_of_cell
from orchestrator.scores.answers import UNKNOWN, Answer
from orchestrator.scores.metrics import overall, score
from orchestrator.scores.results import (
    COLUMNS,
    FLOATS,
    INTEGERS,
    overall_row,
    read_results,
    write_results,
)

ORDER = (
    "run_id, recipe, model, model_type, params_b, method, toolkit, task, dimension, split, n, acc, f1, precision, "
    "recall, wf1, wp, f1_labels, acc_ci_low, acc_ci_high, unknown, multi, empty, error, prompt, decoding, frames, "
    "seed, checkpoint, train_seconds, infer_seconds, gpus, signature, recipe_sha256, git_commit, toolkit_version, "
    "created_at, bad_videos, majority, dtype, engine, learning_rate, epochs, batch_size, lora_rank, train_rows, "
    "startup_seconds, aborted_seconds, settings, too_long, "
    "log_loss, brier, ece, aurc"
)


def row(task: str, n: int = 10, right: int = 6, **more: Any) -> dict[str, Any]:
    answers = [Answer("a", "label")] * right + [UNKNOWN] * (n - right)
    scores = score(["a"] * n, answers, ["a", "b"])
    return {"recipe": "r", "task": task, "method": "sft", "params_b": 0.5, "seed": 42} | scores.as_row() | more


def test_columns_are_the_contract() -> None:
    assert list(COLUMNS) == ORDER.split(", ")
    assert all(COLUMNS.values())


def test_pandas_reads_it_without_options(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.csv"
    rows = [row("MELD", model='Qwen2, "tiny"\né', frames=4, gpus=0), row("MOSI", right=10, frames=8, gpus=1)]
    write_results(path, rows)
    assert path.read_bytes().startswith(b"run_id,recipe,model,")
    assert b"\r" not in path.read_bytes()
    table = pd.read_csv(path)
    assert list(table.columns) == list(COLUMNS)
    assert table["acc"].tolist() == [60.0, 100.0]
    for name in ("n", "seed", "frames", "gpus"):
        assert pd.api.types.is_integer_dtype(table[name]), name
    for name in ("acc", "acc_ci_low", "params_b", "unknown"):
        assert pd.api.types.is_float_dtype(table[name]), name
    assert table["model"][0] == 'Qwen2, "tiny"\né'
    assert table["checkpoint"].isna().all()
    assert read_results(path) == [dict.fromkeys(COLUMNS) | entry for entry in rows]


def test_what_pandas_wrote_again_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = [row("MELD", lora_rank=16, gpus=0), row("MOSI", frames=8, batch_size=4, gpus=0)]
    write_results(path, rows)
    before = read_results(path)
    pd.read_csv(path).to_csv(path, index=False)
    assert ",16.0," in path.read_text()
    found = read_results(path)
    assert found == before
    assert {name: type(found[1][name]) for name in ("n", "frames", "acc")} == {"n": int, "frames": int, "acc": float}


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1,024", "8.5"])
@pytest.mark.parametrize("column", sorted(INTEGERS))
def test_what_is_no_whole_number_is_told(tmp_path: Path, column: str, text: str) -> None:
    path = tmp_path / "r.csv"
    write_results(path, [row("MELD") | {column: text}])
    with pytest.raises(InputError, match=f"r.csv:2: column {column}: `{text}` is no number"):
        read_results(path)


@pytest.mark.parametrize("column", sorted(FLOATS))
def test_what_is_no_score_is_told(tmp_path: Path, column: str) -> None:
    path = tmp_path / "r.csv"
    for text in ("nan", "inf", "50,5"):
        write_results(path, [row("MELD") | {column: text}])
        with pytest.raises(InputError, match=f"column {column}: `{text}` is no number"):
            read_results(path)


_VALUES = {
    name: st.integers(0, 10**6) if name in INTEGERS
    else st.floats(0, 100).map(lambda x: round(x, 2)) if name in FLOATS
    else st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1)
    for name in COLUMNS
}  # fmt: skip


@settings(max_examples=50)
@given(st.lists(st.fixed_dictionaries({}, optional=_VALUES), min_size=1, max_size=4))
def test_round_trip(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "r.csv"
    write_results(path, rows)
    assert read_results(path) == [dict.fromkeys(COLUMNS) | entry for entry in rows]
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    for entry, (_, read) in zip(rows, table.iterrows(), strict=True):
        assert all(text_of_cell(read[name]) == str(value) for name, value in entry.items())


def test_unknown_columns_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="accuracy"):
        write_results(tmp_path / "r.csv", [{"accuracy": 1}])
    path = tmp_path / "r.csv"
    for content, message in [
        ("", "no column run_id"),
        ("a,b\n1,2\n", "no column run_id"),
        ("\xff", "not a results CSV"),
    ]:
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(InputError, match=message):
            read_results(path)
    write_results(path, [row("MELD")])
    path.write_text(path.read_text().replace("60.0", "many") + "1,2\n")
    with pytest.raises(InputError, match="`many` is no number") as raised:
        read_results(path)
    assert "3: 2 fields" in str(raised.value)


def test_overall_row() -> None:
    rows = [
        row("MELD", train_seconds=10.0, infer_seconds=1.0, signature="a", checkpoint="c-1", model="m", majority=40.0),
        row("MOSI", right=3, train_seconds=5.0, infer_seconds=2.0, signature="b", checkpoint="c-2", model="m"),
    ]
    parts = [score(["a"] * 10, [Answer("a", "label")] * x + [UNKNOWN] * (10 - x), ["a"]) for x in (6, 3)]
    total = overall_row(rows, overall(parts, [2610, 686]), created_at="now")
    assert (total["task"], total["n"], total["model"], total["checkpoint"]) == ("overall", 20, "m", None)
    assert total["acc"] == round((60 * 2610 + 30 * 686) / 3296, 2)
    assert (total["train_seconds"], total["infer_seconds"], total["created_at"]) == (15, 3, "now")
    assert total["signature"] == overall_row(rows[::-1], overall(parts, [1, 1]))["signature"]
    shared = [entry | {"method": "it", "train_seconds": 10.0, "infer_seconds": 4.0} for entry in rows]
    assert overall_row(shared, overall(parts, [1, 1]))["train_seconds"] == 10
    assert overall_row([row("MELD", train_seconds="")], parts[0])["train_seconds"] is None
