"""By simulation: taking the samples of a dialogue for independent finds differences where there are none."""

from __future__ import annotations

import pytest

from tests.benchmarks.compare_simulation import SETTINGS, Setting, error, found, found_f1, held

ALONE, FEW, MANY = SETTINGS


@pytest.mark.parametrize("simulations", [800, pytest.param(10_000, marks=pytest.mark.long)])
def test_mcnemar_keeps_to_5_percent_where_samples_are_independent(simulations: int) -> None:
    by_sample, _ = found(ALONE, simulations, 1)
    assert 0.03 < by_sample <= 0.05 + 2 * error(simulations)


@pytest.mark.parametrize("simulations", [400, pytest.param(4_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("setting", [FEW, MANY], ids=["31 dialogues", "280 dialogues"])
def test_flips_by_dialogue_keep_to_5_percent_where_mcnemar_does_not(setting: Setting, simulations: int) -> None:
    by_sample, by_dialogue = found(setting, simulations, 2)
    assert by_sample > 0.15
    assert abs(by_dialogue - 0.05) < 3 * error(simulations)


@pytest.mark.parametrize("simulations", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_swaps_by_dialogue_keep_to_5_percent_where_those_by_sample_do_not(simulations: int) -> None:
    by_sample, by_dialogue = found_f1(FEW, simulations, 3)
    assert by_sample > 0.1
    assert abs(by_dialogue - 0.05) < 3 * error(simulations)


@pytest.mark.long
def test_intervals_of_31_dialogues_hold_the_truth_far_more_often_by_dialogue() -> None:
    rates = held(FEW, 300, 4)
    # how often exactly is printed by `python -m tests.benchmarks.compare_simulation`, and is no promise
    assert rates["by sample"][0] + 0.1 < rates["by dialogue, as shown"][0]
