"""Jobs of one recipe in an array: how many at once, what a failure does to others, what a second submission does."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.run.place import Place
from tests.slurm.submitted import TWELVE, Submitted

pytestmark = pytest.mark.slurm


def with_tasks(submitted: Submitted, *names: str) -> Submitted:
    place = submitted.place
    submitted.place = Place(place.folder, place.data, tasks=", ".join(names))
    return submitted


def spans(place: Place) -> dict[str, tuple[str, str]]:
    """When each job was at work: the start of its first stage and the end of its last."""
    found: dict[str, list[str]] = {}
    for path in place.folder.glob("runs/*/*/*/stage.json"):
        record = json.loads(path.read_text())
        found.setdefault(record["job"], []).extend((record["attempts"][0]["started_at"], record["ended_at"]))
    return {job: (min(times), max(times)) for job, times in found.items()}


def most_at_once(times: list[tuple[str, str]]) -> int:
    return max(sum(begin <= moment < end for begin, end in times) for moment in itertools.chain.from_iterable(times))


def test_twelve_jobs_at_most_three_at_once_into_one_table(submitted: Submitted) -> None:
    with_tasks(submitted, *TWELVE).submit("--array-limit", 3, do="slow:train=0.3")
    ids = submitted.ids()
    assert set(ids) == set(TWELVE)
    assert len({number.partition("_")[0] for number in ids.values()}) == 1, "one array"
    submitted.wait_for("RUNNING")
    submitted.submit("--array-limit", 3)
    assert submitted.ids() == ids, "what waits or runs is not submitted again"
    submitted.wait()
    assert most_at_once(list(spans(submitted.place).values())) == 3
    assert set(submitted.place.rows()) >= set(TWELVE), submitted.said
    assert len(list(submitted.place.folder.glob("*.csv"))) == 1
    assert set(submitted.place.attempts().values()) == {1}
    submitted.submit()
    assert submitted.ids() == ids, "what is done is not submitted again"
    assert not submitted.states()


def test_a_job_that_fails_is_beside_those_that_do_not_and_is_not_tried_again(submitted: Submitted) -> None:
    with_tasks(submitted, *TWELVE[:3]).submit(do="fail:train@T02=2")
    ids = submitted.ids()
    submitted.wait()
    assert submitted.place.stage("train", "T02")["state"] == "failed"
    assert set(submitted.place.attempts().values()) == {1}
    assert {"T01", "T03"} <= set(submitted.place.rows()), submitted.said
    assert "T02" not in submitted.place.rows()
    submitted.submit()
    again = submitted.ids()
    assert {job for job in ids if again[job] != ids[job]} == {"T02"}, "it alone, because it was asked for"
    submitted.wait()
    assert {"T01", "T02", "T03"} <= set(submitted.place.rows()), submitted.said
