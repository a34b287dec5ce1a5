"""Leaderboards and charts: published values as they were published, runs beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.benchmark.published import published, published_acc
from orchestrator.benchmark.task import tasks
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.page.boards import boards
from orchestrator.scores.page.charts import RADIUS, SIDE, panels, radar
from orchestrator.scores.page.entries import Entry, published_entries, run_entry, weighted
from tests.scores.compare.made import samples, write_run

MMLA = tasks().of("mmla")
SIZES = {name: float(task.sizes["test"]) for name, task in MMLA.items()}


def run_of(folder: Path, name: str, **more: object) -> Run:
    """A run with every test of the benchmark in full: 3 of 4 answers are right."""
    held = {
        task: [(f"{at}", "a", "b" if at % 4 == 3 else "a") for at in range(int(size))] for task, size in SIZES.items()
    }
    runs, _ = read_runs(find_sources([str(write_run(folder, name, held, **more))], folder)[0])
    return runs[0]


def test_published_leaderboards_are_those_of_the_benchmark() -> None:
    zero, trained = boards(published_entries(), SIZES)
    for board in (zero, trained):
        told = [(line.entry.model, line.entry.method, line.entry.overall) for line in board.lines]
        known = [
            (value.model, value.method, value.acc)
            for value in published()
            if value.task == "overall" and (value.method == "zero_shot") == (board is zero)
        ]
        assert sorted(told, key=str) == sorted(known, key=str)
        assert [line.rank for line in board.lines] == [str(place) for place in range(1, len(told) + 1)]
    assert [line.entry.name for line in zero.lines[:3]] == [
        "GPT-4o zero-shot", "Qwen2-VL-72B zero-shot", "LLaVA-OV-72B zero-shot",
    ]  # fmt: skip
    assert [line.entry.name for line in trained.lines[:2]] == ["Qwen2-VL-72B SFT", "MiniCPM-V-2.6-8B SFT"]
    assert (len(zero.lines), len(trained.lines)) == (14, 20)
    assert {line.entry.type for line in zero.lines} == {"LLM", "MLLM"}


def test_leaderboard_values_from_the_tasks_values() -> None:
    """What runs are ranked by gives the published values from those of the tasks, which have one decimal."""
    whole = [entry for entry in published_entries() if entry.acc]
    assert len(whole) == 30
    for entry in whole:
        assert weighted(entry.acc, SIZES) == pytest.approx(entry.overall, abs=0.025), entry.name


def test_a_run_of_everything_has_a_place_among_the_published(tmp_path: Path) -> None:
    run = run_of(tmp_path, "mine", model="Qwen2-7B", method="it", model_type="LLM")
    entry = run_entry(run, 0, MMLA)
    right = sum(size - size // 4 for size in SIZES.values())
    assert (entry.overall, entry.partial) == (pytest.approx(100 * right / 15713, abs=0.005), "")
    (line,) = [line for line in boards([entry, *published_entries()], SIZES)[1].lines if line.entry is entry]
    assert (line.rank, line.published) == ("(1)", 64.58)
    assert line.difference == pytest.approx(100 * right / 15713 - 64.58, abs=0.005)


def test_a_run_of_some_tasks_has_no_place_and_stands_beside_the_same_tasks(tmp_path: Path) -> None:
    held = {"MELD": samples("joy " * 4, "joy joy joy anger"), "MOSI": samples("positive", "positive")}
    path = write_run(tmp_path, "part", held, model="Qwen2-7B", method="sft")
    entry = run_entry(read_runs(find_sources([str(path)], tmp_path)[0])[0][0], 0, MMLA)
    assert entry.partial == "2 of 12 tasks"
    (line,) = [line for line in boards([entry, *published_entries()], SIZES)[1].lines if line.entry is entry]
    assert line.rank == ""
    assert line.published == pytest.approx((65.7 * 2610 + 87.3 * 686) / (2610 + 686))


def test_a_run_of_few_samples_or_another_split_has_no_place(tmp_path: Path) -> None:
    held = {"MELD": samples("joy", "joy")}
    few = write_run(tmp_path, "few", held, model="Qwen2-7B")
    dev = write_run(tmp_path, "dev", held, model="Qwen2-7B", split="dev")
    meld = {"MELD": MMLA["MELD"]}
    runs, _ = read_runs(find_sources([str(few), str(dev)], tmp_path)[0])
    entries = [run_entry(run, place, meld) for place, run in enumerate(runs)]
    assert [entry.partial for entry in entries] == ["1 of 2,610 samples", "dev split"]
    lines = {line.entry.name: line for line in boards([*entries, *published_entries()], SIZES)[1].lines}
    assert [lines[name].published for name in ("few", "dev")] == [65.7, None]


def test_bars_hold_the_published_values_and_reference_lines() -> None:
    drawn = panels(published_entries(), MMLA.values(), {"MELD": 48.12})
    assert [panel.task for panel in drawn] == list(MMLA)
    for panel in drawn:
        for bar in panel.bars:
            for method, value in (("zero_shot", bar.zero_shot), ("sft", bar.sft), ("it", bar.it)):
                known = published_acc(bar.label, method, panel.task)
                assert value == (known.acc if known else None)
    lines = {panel.task: panel.lines for panel in drawn}
    assert lines["MELD"] == (("majority", "most frequent label", 48.12), ("sota", "UniMSE", 65.1))
    assert lines["MIntRec"] == (("sota", "MIntOOD", 74.3), ("human", "Human", 85.5))


def test_bars_of_runs_have_the_published_values_as_marks(tmp_path: Path) -> None:
    zero = run_entry(run_of(tmp_path, "zero", model="Qwen2-7B", method="zero_shot"), 0, MMLA)
    first = run_entry(run_of(tmp_path, "first", model="Qwen2-7B", method="sft"), 1, MMLA)
    second = run_entry(run_of(tmp_path, "second", model="Qwen2-7B", method="sft"), 2, MMLA)
    (panel,) = panels([zero, first, second, *published_entries()], [MMLA["MELD"]], {})
    ours = panel.bars[:2]
    assert [(bar.label, bar.key) for bar in ours] == [("zero, first", "Qwen2-7B"), ("second", "Qwen2-7B")]
    # the zero-shot run is inside each, as the bar that fine-tuning starts from
    assert [bar.zero_shot for bar in ours] == [zero.acc["MELD"]] * 2
    assert ours[0].marks == (("zero_shot", 55.7), ("sft", 65.7), ("it", 64.1))
    assert {bar.origin for bar in panel.bars[2:]} == {"published"}


def test_radar_is_the_weighted_mean_of_a_dimensions_tasks() -> None:
    drawn = radar(published_entries(), MMLA.values())
    assert drawn is not None
    assert [axis.name for axis in drawn.axes][:3] == ["intent", "emotion", "dialogue act"]
    assert len(drawn.shapes) == 30
    shape = next(shape for shape in drawn.shapes if shape.entry.name == "Qwen2-7B SFT")
    assert shape.values["emotion"] == pytest.approx((65.7 * 2610 + 52.1 * 1622) / (2610 + 1622))
    x, y = map(float, shape.points.split()[0].split(","))
    intent = shape.values["intent"]
    assert (x, y) == (SIDE / 2, pytest.approx(SIDE / 2 - RADIUS * intent / 100, abs=0.1))


def test_no_radar_of_one_dimension_or_of_nothing(tmp_path: Path) -> None:
    meld: list[Entry] = [entry for entry in published_entries() if entry.acc]
    assert radar(meld, [MMLA["MELD"], MMLA["MOSI"]]) is None
    assert radar([], MMLA.values()) is None
