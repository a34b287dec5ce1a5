"""A recipe's section ``slurm``: what cannot stand in a script is refused where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.resolved import written
from orchestrator.recipe.slurm import seconds_of
from orchestrator.recipe.sweep_names import labels
from tests.recipe_files import GOOD, problems, write


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ('partition: "gpu\\nmore"', "`gpu<U+000A>more` cannot stand in a script of Slurm"),
        ("account: 'a\"b'", '`a"b` cannot stand in a script of Slurm'),
        ("qos: ''", "an empty text cannot stand in a script of Slurm"),
        ("time: soon", "`soon` is no time of Slurm's"),
        ("extra: {Mem-Per-Gpu: 64G}", "`Mem-Per-Gpu` is no option of sbatch"),
        ("extra: {gres: 'lscratch:10'}", "`gres` cannot be given here"),
        ("extra: {clusters: other}", "`clusters` cannot be given here\n    jobs of another cluster"),
        ("extra: {comment: 'a\\b'}", "`a\\b` cannot stand in a script of Slurm"),
        ('setup: ["module load cuda\\nrm -r /"]', "`module load cuda<U+000A>rm -r /` is more than a line"),
    ],
)
def test_what_cannot_stand_in_a_script(said: str, wrong: str, own_folder: Path) -> None:
    (problem,) = problems(f"{GOOD}slurm: {{{said}}}\n")
    assert problem.startswith("x.yaml:4:")
    assert wrong in problem


def test_lines_of_setup_are_a_text_or_a_list(own_folder: Path) -> None:
    as_list = load_recipe(write(f"{GOOD}slurm: {{setup: [module load cuda, ulimit -n 4096]}}\n"))
    as_text = load_recipe(write(f"{GOOD}slurm:\n  setup: |\n    module load cuda\n    ulimit -n 4096\n"))
    assert as_list.slurm.setup == as_text.slurm.setup == ("module load cuda", "ulimit -n 4096")


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("1:30", 90), ("12:00:00", 43200), ("2-3", 183600), ("1-0:30", 88200), ("1-1:1:1", 90061)],
)
def test_times_are_read_as_slurm_reads_them(time: str, seconds: int) -> None:
    assert seconds_of(time) == seconds


def test_a_time_without_end_has_no_seconds(own_folder: Path) -> None:
    assert load_recipe(write(f"{GOOD}slurm: {{time: UNLIMITED}}\n")).slurm.time == "UNLIMITED"
    assert seconds_of("UNLIMITED") is None


def test_a_recipe_says_what_it_says_and_is_the_same_recipe_for_all_else(own_folder: Path) -> None:
    plain, asks = load_recipe(write(GOOD)), load_recipe(write(f"{GOOD}slurm: {{time: 90}}\n"))
    assert asks.digest == plain.digest
    # what a recipe does not say is the site's to say, also of a recipe that was kept
    assert yaml.safe_load(written(plain, Path()))["slurm"] == {}
    assert yaml.safe_load(written(asks, Path()))["slurm"] == {"time": "90"}


def test_runs_of_sweeps_are_called_what_they_were_called() -> None:
    assert labels(["train.extra", "prompt.template"]) == {"train.extra": "extra", "prompt.template": "prompt.template"}
