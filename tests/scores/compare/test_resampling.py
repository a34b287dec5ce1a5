from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.scores.compare import resampling
from orchestrator.scores.compare.paired import METRICS, Codes, Paired, dialogue_codes
from orchestrator.scores.compare.resampling import resample
from orchestrator.scores.metrics import classification
from tests.scores.compare.made_up import made_up


def by_hand(truth: Codes, said: Codes) -> list[float]:
    """The scores as the results CSV has them, unrounded."""
    scores = classification([str(code) for code in truth], [str(code) for code in said], [])
    return [scores[name] for name in METRICS]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)), min_size=1))
def test_unit_weights_give_the_scores_of_the_results(rows: list[tuple[int, int, int, int]]) -> None:
    truth, first, second, clusters = np.array(rows).T
    for codes in (clusters, None):
        task = Paired("T", truth, np.stack([first, second]), 4, codes, 1.0)
        for run, values in enumerate(resample(task, 1, 0).values):
            acc, f1 = by_hand(truth, task.answers[run])
            assert values[0] == acc
            assert values[1] == pytest.approx(f1, rel=1e-14)


@pytest.mark.parametrize("dialogues", [0, 7])
def test_a_draw_is_the_score_of_the_samples_drawn(dialogues: int) -> None:
    task = made_up(np.random.default_rng(1), 3, 60, dialogues=dialogues)
    units = np.arange(60) if task.clusters is None else np.unique(task.clusters, return_inverse=True)[1]
    count = units.max() + 1
    drawn = np.random.default_rng([9, *b"T"]).integers(0, count, (20, count))
    found = resample(task, 20, 9).draws
    for at, picked in enumerate(drawn):
        samples = np.concatenate([np.flatnonzero(units == unit) for unit in picked])
        for run in range(3):
            assert found[at, run] == pytest.approx(by_hand(task.truth[samples], task.answers[run][samples]), rel=1e-12)


def test_draws_do_not_depend_on_what_is_beside_or_on_how_much_fits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for dialogues in (0, 12):
        task = made_up(np.random.default_rng(2), 5, 90, dialogues=dialogues)
        whole = resample(task, 70, 3)
        two = resample(replace(task, answers=task.answers[1:3]), 70, 3)
        assert np.array_equal(two.draws, whole.draws[:, 1:3])
        with monkeypatch.context() as patch:
            patch.setattr(resampling, "_ELEMENTS", 1_500)
            pieces = resample(task, 70, 3)
        assert np.array_equal(pieces.draws, whole.draws)
        assert np.array_equal(pieces.values, whole.values)
        other = resample(replace(task, name="U"), 70, 3)
        assert not np.array_equal(other.draws, whole.draws)
        assert not np.array_equal(resample(task, 70, 4).draws, whole.draws)


def test_a_run_that_did_not_do_the_task() -> None:
    task = made_up(np.random.default_rng(3), 3, 40, dialogues=6)
    answers = task.answers.copy()
    answers[1] = -1
    lacking = replace(task, answers=answers)
    assert [lacking.did(run) for run in range(3)] == [True, False, True]
    found, whole = resample(lacking, 10, 0), resample(task, 10, 0)
    assert np.isnan(found.values[1]).all()
    assert np.isnan(found.draws[:, 1]).all()
    assert np.array_equal(found.draws[:, [0, 2]], whole.draws[:, [0, 2]])


def test_codes_of_dialogues() -> None:
    codes = dialogue_codes(["a", "b", None, "a", None, "0"])
    assert codes is not None
    assert codes.tolist() == [0, 1, 2, 0, 3, 4]
    assert dialogue_codes(["a", "b", None]) is None
    assert dialogue_codes([None, None]) is None
    (all_one,) = {*(dialogue_codes(["a", "a"]) if dialogue_codes(["a", "a"]) is not None else [])}
    assert all_one == 0
