"""Which stage starts now: the order, and what may overtake what."""

from __future__ import annotations

import pytest

from orchestrator.run.queue import Queue, Work
from orchestrator.run.turns import ROUNDS
from tests.run.queues import filled, known, names


def test_a_stage_that_needs_the_whole_machine_goes_first() -> None:
    works = [Work("one", 1, 1), Work("two", 2, 2), Work("eight", 3, 8), Work("four", 4, 4)]
    queue = filled(8, *works)
    assert names(queue.start()) == ["eight"]
    queue.give_back(works[2])
    assert names(queue.start()) == ["four", "two", "one"]


def test_among_equals_the_users_order_holds() -> None:
    works = [Work(str(order), order, 1) for order in (5, 2, 9, 1, 7)]
    assert names(filled(3, *works).start()) == ["1", "2", "5"]


def test_one_at_a_time_means_the_users_order() -> None:
    works = [Work("convert", 1), Work("train", 2, 1), Work("wide", 3, 8), Work("next", 4), Work("host", 5, host=True)]
    queue = filled(8, *reversed(works), jobs=1)
    for work in works:
        assert queue.start() == [(work, queue.running[work].lease)]
        queue.give_back(work)
    assert queue.start() == []


def test_stages_without_gpus_run_beside_others_within_the_places() -> None:
    train, converts = Work("train", 0, 2), [Work(f"convert {order}", order) for order in range(1, 4)]
    queue = filled(2, train, *converts, jobs=3)
    assert names(queue.start()) == ["train", "convert 1", "convert 2"]
    assert queue.waiting() == [(converts[2], "for one of 3 places (--jobs)")]


def test_models_on_the_cpu_take_their_places() -> None:
    hosts = [Work(f"host {order}", order, host=True) for order in range(3)]
    queue = Queue([], 10, cpu=2)
    for work in hosts:
        queue.add(work)
    assert names(queue.start()) == ["host 0", "host 1"]
    assert queue.waiting() == [(hosts[2], "for the CPU, where 2 stages work at a time")]
    queue.give_back(hosts[0])
    assert names(queue.start()) == ["host 2"]


def test_what_ends_in_time_goes_before_a_wide_stage_that_waits() -> None:
    long = known("long", 0, 5, 1000)
    queue = filled(8, long)
    queue.start(0)
    for work in (known("wide", 1, 8, 10), Work("late", 2, 1, seconds=901), Work("in time", 3, 1, seconds=900)):
        queue.add(work)
    assert names(queue.start(100)) == ["in time"]
    assert {work.name: why for work, why in queue.waiting()} == {
        "wide": "for 8 GPUs, 2 are free",
        "late": "for 1 GPU, kept for wide, which needs 8",
    }


def test_what_leaves_a_wide_stage_its_gpus_goes_before_it() -> None:
    long, wide = known("long", 0, 4, 1000), known("wide", 1, 5, 10)
    queue = filled(8, long)
    queue.start(0)
    for work in (wide, Work("a", 2, 2), Work("b", 3, 2)):
        queue.add(work)
    assert names(queue.start(0)) == ["a"]  # then 6 are left when the long one ends; both would leave 4


def test_what_is_a_little_late_will_end_soon() -> None:
    queue = filled(8, known("late", 0, 7, 100))
    queue.start(0)
    queue.add(Work("wide", 1, 8))
    queue.add(Work("narrow", 2, 1))
    assert queue.start(109) == []
    assert names(queue.start(111)) == ["narrow"]


def test_nobody_overtakes_on_the_promise_of_one_that_is_late() -> None:
    late = known("late", 0, 7, 100)
    queue = filled(8, late)
    queue.start(0)
    queue.add(known("wide", 1, 8, 10))
    for order in range(2, 100):
        queue.add(known(f"short {order}", order, 1, 5))
    assert len(queue.start(0)) == 1
    begun = 0
    for now in range(200, 1000, 10):  # the late one goes on and on, one short stage after another would fit
        queue.give_back(next(work for work in queue.running if work is not late)) if len(queue.running) > 1 else None
        begun += len(queue.start(now))
    assert begun == ROUNDS * 8


def test_a_wide_stage_that_comes_soon_is_waited_for() -> None:
    wide, narrow = Work("wide", 9, 8), [Work(str(order), order, 1) for order in range(8)]
    queue = filled(8, Work("convert", 8), *narrow)
    queue.add(wide, soon=True)
    assert names(queue.start()) == ["convert"]
    assert queue.waiting()[0] == (narrow[0], "for 1 GPU, kept for wide, which needs 8")
    assert wide not in dict(queue.waiting())  # it could not start
    queue.add(wide)
    assert names(queue.start()) == ["wide"]


def test_what_waits_for_seconds_only_is_not_overtaken() -> None:
    """Between a training and its answers the checkpoint is selected; the next training is ready, and so are others."""
    queue = filled(8, Work("train", 1, 8), Work("narrow", 2, 1))
    queue.add(Work("infer", 0, 1, 8), soon=True)
    assert queue.start() == []
    assert [why for _, why in queue.waiting()] == [
        "for 8 GPUs, kept for infer, which needs 1",
        "for 1 GPU, kept for infer, which needs 1",
    ]


def test_one_that_comes_soon_and_never_does_is_not_waited_for() -> None:
    wide, narrow = Work("wide", 1, 2), Work("narrow", 2, 1)
    queue = filled(2, narrow)
    queue.add(wide, soon=True)
    assert queue.start() == []
    queue.remove(wide)
    queue.remove(wide)
    assert names(queue.start()) == ["narrow"]


def test_what_runs_for_hours_does_not_wait_for_one_that_comes_soon_but_lacks_gpus() -> None:
    queue = filled(4, Work("long", 0, 1))
    queue.start()
    queue.add(Work("wide", 1, 4), soon=True)
    queue.add(Work("narrow", 2, 1))
    assert names(queue.start()) == ["narrow"]


def test_a_chain_goes_first_that_takes_half_as_long_as_all_the_rest() -> None:
    rest = [known(f"rest {order}", order, 1, 10) for order in range(8)]
    queue = filled(2, *rest, Work("long", 8, 1, seconds=20, chain=30))
    assert names(queue.start()) == ["long", "rest 0"]


def test_a_longer_chain_does_not_go_first_while_the_rest_takes_much_longer() -> None:
    rest = [known(f"rest {order}", order, 1, 10) for order in range(8)]
    queue = filled(2, *rest, Work("longer", 8, 1, seconds=20, chain=25))
    assert names(queue.start()) == ["rest 0", "rest 1"]


def test_the_more_machines_share_the_work_the_earlier_a_long_chain_goes() -> None:
    for machines, first in ((1, "rest 0"), (3, "long")):
        rest = [known(f"rest {order}", order, 2, 10) for order in range(20)]
        queue = filled(2, *rest, known("long", 20, 1, 40))
        queue.machines = machines
        assert names(queue.start())[0] == first


def test_only_the_first_that_wait_are_told_where_that_is_enough() -> None:
    queue = filled(0, *(Work(str(order), order) for order in range(9)), jobs=3)
    queue.start()
    assert [work.name for work, _ in queue.waiting(2)] == ["3", "4"]


def test_what_can_never_be_is_refused() -> None:
    work = Work("wide", 0, 3)
    queue = filled(2)
    with pytest.raises(ValueError, match="wide needs 3 GPUs, there are 2"):
        queue.add(work)
    with pytest.raises(KeyError):
        queue.give_back(work)
    running = Work("a", 0)
    queue.add(running)
    queue.start()
    with pytest.raises(ValueError, match="runs already"):
        queue.add(running)
    with pytest.raises(ValueError, match="at least one"):
        Queue([], 0)


def test_what_other_runs_use_is_given_to_nobody_until_they_are_done() -> None:
    queue = Queue(["0", "1", "2", "3"], jobs=9)
    wide, narrow = Work("wide", 0, 4, 4), Work("narrow", 1, 1, 1)
    queue.elsewhere(["1", "9"])
    queue.add(wide)
    assert queue.start() == []
    assert queue.waiting() == [(wide, "for 4 GPUs, 3 are free, 1 is in use by other runs")]
    assert set(queue.unused) == {"0", "1", "2", "3"}
    queue.elsewhere([])
    assert queue.start() == [(wide, ("0", "1", "2", "3"))]
    queue.elsewhere(["2"])  # which this run has itself
    queue.give_back(wide)
    queue.add(narrow)
    queue.elsewhere(["0"])
    assert queue.start() == [(narrow, ("1",))]
