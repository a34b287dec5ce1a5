from __future__ import annotations

import csv
from itertools import groupby

import pytest

from orchestrator.benchmark.model import models
from orchestrator.benchmark.published import OVERALL, published, published_acc
from orchestrator.benchmark.task import benchmark_tasks
from tests.shared import MMLA, needs_mmla


def test_the_leaderboard_is_the_mean_weighted_by_test_size() -> None:
    sizes = {name: task.sizes["test"] for name, task in benchmark_tasks("mmla").items()}
    found = []
    for (model, method), entries in groupby(published(), lambda entry: (entry.model, entry.method)):
        values = {entry.task: entry.acc for entry in entries}
        overall = values.pop(OVERALL, None)
        if overall is None or values.keys() != sizes.keys():
            continue
        mean = sum(values[task] * size for task, size in sizes.items()) / sum(sizes.values())
        assert mean == pytest.approx(overall, abs=0.02), (model, method)
        found.append((overall, mean))
    assert len(set(found)) == 30
    assert [mean for _, mean in sorted(found)] == sorted(mean for _, mean in found)


def test_every_value_is_of_a_known_task_once_with_its_source() -> None:
    known = {*benchmark_tasks("mmla"), OVERALL}
    keys = [(entry.model, entry.method, entry.task) for entry in published()]
    assert len(set(keys)) == len(keys) == 406
    for entry in published():
        assert entry.task in known
        assert 0 < entry.acc < 100
        assert entry.source
        assert entry.certainty.startswith("certain")
        assert entry.method in ("zero_shot", "sft", "it", "sota", "human")


def test_models_are_named_as_in_the_catalogue() -> None:
    catalogue = {model.name for model in models().values()}
    assert {"Qwen2-0.5B", "Qwen2-7B", "Llama-3-8B", "InternLM2.5-7B", "Qwen2-VL-72B"} <= catalogue
    assert {"Qwen2-0.5B", "Qwen2-7B", "Llama-3-8B", "InternLM2.5-7B", "Qwen2-VL-72B"} <= {p.model for p in published()}


def test_one_value() -> None:
    value = published_acc("Qwen2-VL-72B", "sft")
    assert value is not None
    assert value.acc == 69.18
    assert published_acc("Llama-3.1-8B", "sft") is None


@needs_mmla
def test_values_are_those_that_were_collected() -> None:
    methods = {"zero-shot": "zero_shot", "SFT": "sft", "IT": "it", "SOTA multimodal ML (trained)": "sota"}
    with (MMLA / "paper_results.csv").open() as file:
        expected = {
            (
                row["model"].replace("Llama3-", "Llama-3-"),
                methods.get(row["method"], row["method"]),
                OVERALL if row["dataset"].startswith("ALL") else row["dataset"],
            ): float(row["value"])
            for row in csv.DictReader(file)
        }
    assert {(entry.model, entry.method, entry.task): entry.acc for entry in published()} == expected
