"""What stands beside the scores: quality of answers, cost, origin, the majority."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.scores.compare.runs import Run, read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.page import facts
from orchestrator.scores.page.render import _duration
from tests.scores.compare.made import samples, write_run

HELD = {"MELD": samples("joy joy anger fear", "joy multi unknown error"), "MOSI": samples("positive", "positive")}


def run_of(folder: Path, name: str = "one", **more: object) -> Run:
    return read_runs(find_sources([str(write_run(folder, name, HELD, **more))], folder)[0])[0][0]


def test_quality_is_over_all_samples(tmp_path: Path) -> None:
    (one,) = facts.quality([run_of(tmp_path)])
    assert one.rates == {"unknown": 20, "multi": 20, "empty": 0, "error": 20}
    assert one.worst == ("MELD", 75)


def test_confidence_where_answers_have_it(tmp_path: Path) -> None:
    assert facts.confidences([run_of(tmp_path)]) == []
    known = {"log_loss": 0.7, "brier": 0.5, "ece": 12.5, "aurc": 30.0}
    found = facts.confidences([run_of(tmp_path), run_of(tmp_path, "two", **known)])
    assert [(one.run, one.task) for one in found] == [("two", "MELD"), ("two", "MOSI")]
    assert vars(found[0]) == {"run": "two", "task": "MELD"} | known


@pytest.mark.parametrize(("method", "times"), [("sft", 2), ("it", 1)])
def test_cost_counts_shared_work_once(tmp_path: Path, method: str, times: int) -> None:
    seconds = {"train_seconds": 3600.0, "infer_seconds": 360.0, "startup_seconds": 60.0, "aborted_seconds": 30.0}
    (one,) = facts.costs([run_of(tmp_path, method=method, gpus=4, **seconds)])
    assert (one.train, one.startup, one.aborted, one.loads) == (3600 * times, 60 * times, 30 * times, times)
    assert (one.infer, one.gpus) == (720, 4), "each of the two tasks has the time of its own answers"
    assert one.gpu_hours == pytest.approx((3690 * times + 720) / 3600 * 4)
    assert one.rate == pytest.approx(5 / 720)


def test_what_a_csv_does_not_tell_has_no_cost(tmp_path: Path) -> None:
    (one,) = facts.costs([run_of(tmp_path)])
    assert (one.train, one.infer, one.startup, one.gpus, one.gpu_hours, one.rate) == (None,) * 6


def test_settings_that_differ(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, "one", seed=1), run_of(tmp_path, "two", seed=2)]
    assert facts.differences(runs) == {"seed": ["1", "2"]}
    assert facts.differences(runs[:1]) == {}
    assert facts.differences([]) == {}


def test_origin_of_a_run(tmp_path: Path) -> None:
    (one,) = facts.origins([run_of(tmp_path, git_commit="abc", checkpoint="checkpoint-9")])
    assert (one.run, one.path, one.facts["git_commit"], one.facts["recipe"]) == ("one", "one.csv", "abc", "one")
    assert "recipe_sha256" not in one.facts
    assert list(one.rows) == ["MELD", "MOSI"]
    assert one.rows["MELD"]["checkpoint"] == "checkpoint-9"
    assert one.rows["MELD"]["signature"].startswith("data:")


def test_majority_is_counted_from_the_answers(tmp_path: Path) -> None:
    assert facts.majority([run_of(tmp_path)]) == {"MELD": 50, "MOSI": 100}


def test_majority_is_that_of_the_most_samples(tmp_path: Path) -> None:
    few, whole = run_of(tmp_path, "few"), run_of(tmp_path, "whole")
    few.rows["MELD"].update(n=1, majority=100.0)
    whole.rows["MELD"].update(majority=25.0)
    assert facts.majority([few, whole])["MELD"] == facts.majority([whole, few])["MELD"] == 25


def test_times_as_people_say_them() -> None:
    said = [_duration(seconds) for seconds in (None, 4.25, 84.9, 111.6, 3599, 4000, 90_000)]
    assert said == ["", "4.2 s", "84.9 s", "2 min", "1 h 0 min", "1 h 7 min", "25 h 0 min"]
