"""A run whose answers are labels (`inference.answers`), beside one whose answers are free."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.scores.answer_file import read_answers
from tests.run.place import Place
from tests.running import call, stage_folder

LABELS = ("--set", "inference.answers=labels")
SURE = ("log_loss", "brier", "ece", "aurc")


def test_both_ways_come_from_one_training(place: Place) -> None:
    place = Place(place.folder, place.data, tasks="demo, MELD")
    place.run("--set", "select.strategy=dev_accuracy")
    free = place.rows()
    place.run(*LABELS, "--set", "select.strategy=last")
    rows = place.rows()
    assert place.attempts()["demo/train"] == 1
    for task in ("demo", "MELD", "overall"):
        assert [free[task][name] for name in SURE] == [None] * 4
        assert (rows[task]["unknown"], rows[task]["multi"]) == (0, 0)
        assert (free[task]["decoding"], rows[task]["decoding"]) == ("greedy,max=32", "labels,sum")
        assert free[task]["signature"] != rows[task]["signature"]
    sizes = {"demo": 240, "MELD": 2610}
    for name in SURE:
        weighted = sum(rows[task][name] * size for task, size in sizes.items()) / sum(sizes.values())
        assert rows["overall"][name] == pytest.approx(weighted, abs=0.01)
    kept = read_answers(place.folder / "echoed.answers.jsonl.gz")
    assert all(max(row["logprobs"], key=row["logprobs"].__getitem__) == row["parsed"] for row in kept)
    # the run's own folder says the same
    said = call("score", place.folder / "runs" / "echoed" / "MELD", "--json")
    (again,) = [json.loads(line) for line in said.splitlines() if line[0] == "{"]
    newest = {name: rows["MELD"][name] for name in ("acc", "f1", *SURE)}
    assert {name: again[name] for name in newest} == newest


def test_a_checkpoint_is_chosen_by_labels_on_dev(place: Place) -> None:
    place.run(*LABELS, "--set", "select.strategy=dev_accuracy")
    select = stage_folder(place.folder, "select")
    said = [json.loads(line) for line in next(select.glob("checkpoint-*/predictions.jsonl")).read_text().splitlines()]
    assert {"label", "logprobs"} <= said[0].keys()
    assert place.stage("select")["outputs"]["accuracy_percent"]


def test_hosted_models_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    recipe = tmp_path / "hosted.yaml"
    recipe.write_text(
        f"method: zero_shot\nmodel: gpt_4o\ntasks: [demo]\ndata: {{root: {place.data}, modality: text}}\n"
    )
    said = call("validate", recipe, *LABELS, code=2)
    assert "inference.answers: openai_api does not say how probable each label is\n    set it to free" in said
