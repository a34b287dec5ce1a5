from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from orchestrator.benchmark import task as module
from orchestrator.benchmark.task import benchmark_tasks, read_tasks, task_problems, tasks, unknown_task
from orchestrator.errors import InputError
from tests.shared import GOLDEN, MMLA, needs_mmla

ORDER = [
    "MIntRec", "MIntRec2.0", "MELD", "IEMOCAP", "MELD-DA", "IEMOCAP-DA", "MOSI", "Ch-sims", "UR-FUNNY", "MUStARD",
    "AnnoMi-client", "AnnoMi-therapist",
]  # fmt: skip


def test_twelve_tasks_in_the_published_order() -> None:
    assert list(benchmark_tasks("mmla")) == ORDER
    assert list(tasks())[:12] == ORDER
    assert "demo" in tasks()
    assert len({task.dimension for task in benchmark_tasks("mmla").values()}) == 6
    assert tasks()["MELD-DA"].word == "dialogue act"
    assert tasks()["Ch-sims"].folders == ("Ch-sims", "CH-SIMSv2.0")
    hash(tasks()["MELD"])


def test_published_sizes_add_up() -> None:
    found = benchmark_tasks("mmla")
    # the leaderboard is over these; the paper's 61,016 utterances count MELD and IEMOCAP once
    assert sum(task.sizes["test"] for task in found.values()) == 15_713
    total = sum(sum(task.sizes.values()) for task in found.values())
    once = total - sum(found["MELD-DA"].sizes.values()) - sum(found["IEMOCAP"].sizes.values())
    assert abs(once - 61_016) <= 5


def test_labels_are_those_of_the_released_script() -> None:
    for case in json.loads((GOLDEN / "parse_cases.json").read_text()):
        assert list(tasks()[case["dataset"]].labels) == case["labels"]


@needs_mmla
def test_sizes_are_the_released_ones() -> None:
    for entry in json.loads((MMLA / "stats.json").read_text()):
        task = tasks()[entry["dataset"]]
        assert task.dimension == entry["task"]
        assert len(task.labels) == entry["n_labels"]
        for split in ("train", "dev", "test"):
            assert abs(task.sizes[split] - entry[f"{split}_paper"]) <= 1  # AnnoMi's tests are given in two ways
    with (MMLA / "paper_results.csv").open() as file:
        order = list(dict.fromkeys(row["dataset"] for row in csv.DictReader(file)))
    assert order[:12] == ORDER


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("a: {dimension: d, labels: [x, X], language: en, sizes: {test: 1}}", "same label twice"),
        ("a: {dimension: d, labels: [x, multi], language: en, sizes: {test: 1}}", "`multi` is reserved"),
        ("a: {dimension: d, labels: [yes, no], language: en, sizes: {test: 1}}", "list of texts"),
        ("a: {dimension: d, labels: ['', b], language: en, sizes: {test: 1}}", "an empty label"),
        ("a: {dimension: d, labels: [x], language: en, sizes: {tset: 1}}", "`sizes`"),
        ("a: {dimension: d, labels: [x], language: en, size: {test: 1}}", "did you mean `sizes`"),
        ("a: {labels: [x]}", "`dimension` is missing"),
        ("a: 3", "must be a mapping"),
        ("[]", "mapping of task names"),
        ("a: {", "not valid YAML"),
    ],
)
def test_a_wrong_task_file_is_refused(tmp_path: Path, yaml: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml)
    with pytest.raises(InputError, match=message) as raised:
        read_tasks(file)
    assert "mine.yaml" in str(raised.value)


def test_a_task_is_one_entry(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("T: {dimension: turn_taking, labels: [yield, hold], language: en, sizes: {test: 5}}")
    task = read_tasks(file)["T"]
    assert (task.dataset, task.word, task.folders, task.benchmark) == ("T", "turn taking", ("T",), "mine")
    with pytest.raises(InputError, match="defined twice"):
        read_tasks(file, file)


def test_unknown_benchmark() -> None:
    with pytest.raises(InputError, match="did you mean `mmla`"):
        benchmark_tasks("mmlaa")


TASK = "{}: {{dimension: d, labels: [x, y], language: en, sizes: {{test: 1}}}}\n"


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (
            'a: {dimension: d, labels: ["joy\\u200b", b], language: en, sizes: {test: 1}}',
            "joy<U+200B>` holds what cannot",
        ),
        ('"a\\u200b": {dimension: d, labels: [x], language: en, sizes: {test: 1}}', "`a<U+200B>` holds what cannot be"),
        ("a: {dimension: d, labels: [x], language: en, sizes: {test: 1}, folders: MELD}", "`folders` must be a list"),
        ("a: {dimension: d, labels: [], language: en, sizes: {test: 1}}", "`labels` must be a list of texts"),
        ("a: {dimension: 3, labels: [x], language: no, sizes: {test: 1}}", "`dimension` must be text"),
        ("a: {dimension: d, labels: [x], language: en, sizes: {test: 1}, video: 'yes'}", "`video` must be true or"),
    ],
)
def test_values_that_no_task_has(tmp_path: Path, yaml: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"# mine\n{yaml}")
    with pytest.raises(InputError) as raised:
        read_tasks(file)
    assert message in str(raised.value)
    assert "mine.yaml:2: task" in str(raised.value) or yaml.startswith('"a')


def test_a_wrong_entry_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mmla.yaml").write_text(
        TASK.format("A") + TASK.format("B").replace("language: en", "language: []")
    )
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK.format("C"))
    (tmp_path / "tasks" / "cut.yaml").write_text("D: {")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "task.py"))
    module._read_all.cache_clear()
    try:
        assert list(tasks()) == ["A", "C"]
        assert list(benchmark_tasks("mine")) == ["C"]
        with pytest.raises(InputError, match="task `B`: `language` must be text"):
            benchmark_tasks("mmla")  # a part of it would be taken for all
        assert [problem.message for problem in unknown_task("B", "r.yaml:1:1")] == [
            "the task `B` cannot be used: what defines it is wrong", "task `B`: `language` must be text"
        ]  # fmt: skip
        first, second = unknown_task("D")  # which may stand in the file that cannot be read
        assert first.message == "unknown task `D`"
        assert "not valid YAML" in second.message
        assert len(task_problems()) == 2
        (tmp_path / "tasks" / "mine.yaml").write_text(TASK.format("A") + TASK.format("C"))
        module._read_all.cache_clear()
        assert list(tasks()) == ["C"]  # neither of two that have one name
        assert len(task_problems("mmla")) == 2
        assert [problem.message for problem in task_problems("mine")] == ["task `A`: is defined twice, in `mmla` too"]
    finally:
        module._read_all.cache_clear()
