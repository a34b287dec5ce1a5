"""Which trainings `report` finds behind runs: the newest of each job, of runs whose folders are there."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.cli.report_folders import ON_DEV, told
from orchestrator.plan.outputs import SelectOutputs, TrainOutputs
from orchestrator.plan.record import Attempt, Record, write
from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from tests.scores.compare.made import samples, write_run


def run_of(folder: Path, name: str = "mine") -> Run:
    path = write_run(folder, name, {"MELD": samples("joy", "joy")})
    return read_runs(find_sources([str(path)], folder)[0])[0][0]


def trained(folder: Path, began: str, loss: float, state: str = "done") -> None:
    """A training of one step of one job that began on a day."""
    rows = [{"step": 5, "loss": loss}, {"step": 10, "loss": loss / 2}, {"step": 10, "eval_accuracy": 0.25}]
    output = folder / "output"
    output.mkdir(parents=True)
    (output / "trainer_state.json").write_text(json.dumps({"global_step": 10, "log_history": rows}))
    attempts = [Attempt(started_at=f"{began}T00:00:00+00:00", seconds=1)]
    record = Record(
        state=state, stage="train", job="MELD", toolkit="llamafactory", attempts=attempts, argv=["train", f"{began} x"],
        outputs=TrainOutputs(steps=10),
    )  # type: ignore[arg-type]  # fmt: skip
    write(folder, record)


def test_the_newest_training_that_is_done(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    trained(runs / "mine" / "MELD" / "train-a", "2026-01-02", 4.0)
    trained(runs / "mine" / "MELD" / "train-b", "2026-01-01", 6.0)
    trained(runs / "mine" / "MELD" / "train-c", "2026-01-03", 8.0, "failed")
    (found,), commands = told([run_of(tmp_path)], runs)
    assert (found.run, found.job, found.losses) == ("mine", "MELD", [(5, 4.0), (10, 2.0)])
    assert (found.accuracy, found.measure, found.chosen) == ([(10, 25.0)], ON_DEV, None)
    assert commands == {"mine": [("MELD/train", "train '2026-01-02 x'")]}


def test_the_selection_says_what_was_compared_and_chosen(tmp_path: Path) -> None:
    job = tmp_path / "runs" / "mine" / "MELD"
    trained(job / "train-a", "2026-01-02", 4.0)
    chosen = SelectOutputs(
        strategy="dev_accuracy", checkpoint="checkpoint-5", step=5, measure="of the answers right on dev",
        accuracy_percent={5: 60.0, 10: 50.0}, path="../x",
    )  # fmt: skip
    attempts = [Attempt(started_at="2026-01-02T00:00:00+00:00", seconds=1)]
    write(job / "select-a", Record(state="done", stage="select", job="MELD", attempts=attempts, outputs=chosen))
    (found,), _ = told([run_of(tmp_path)], tmp_path / "runs")
    assert found.accuracy == [(5, 60.0), (10, 50.0)]
    assert (found.measure, found.chosen) == ("of the answers right on dev", 5)


def test_runs_without_folders_have_none(tmp_path: Path) -> None:
    assert told([run_of(tmp_path)], tmp_path / "runs") == ([], {})
    # a name that leads elsewhere is no run's
    outside = run_of(tmp_path, "mine")
    row = next(iter(outside.rows.values()))
    row["recipe"] = ".."
    trained(tmp_path / "x" / "train-a", "2026-01-02", 4.0)
    (tmp_path / "runs").mkdir()
    assert told([outside], tmp_path / "runs") == ([], {})


def test_a_run_on_another_disk_is_found_through_its_link(tmp_path: Path) -> None:
    trained(tmp_path / "disk" / "MELD" / "train-a", "2026-01-02", 4.0)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").symlink_to(tmp_path / "disk")
    (found,), _ = told([run_of(tmp_path)], tmp_path / "runs")
    assert found.losses == [(5, 4.0), (10, 2.0)]
