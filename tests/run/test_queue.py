"""Which stage starts now, and on which GPUs."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.run.queue import Queue, Work
from orchestrator.run.turns import ROUNDS
from tests.run.simulated import Job, Simulation, Started, Step, bound, random_jobs, slots

MIG = ["MIG-3f1c", "GPU-9a", "7", "MIG-GPU-1/2/0"]


def names(started: list[tuple[Work, tuple[str, ...]]]) -> list[str]:
    """What started, in order."""
    return [work.name for work, _ in started]


def leases(started: list[tuple[Work, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """The GPUs of each stage that started."""
    return {work.name: lease for work, lease in started}


def filled(gpus: int, *works: Work, jobs: int = 100) -> Queue:
    """A queue whose works all wait."""
    queue = Queue([str(number) for number in range(gpus)], jobs)
    for work in works:
        queue.add(work)
    return queue


@dataclass
class Sound:
    """Sees after each change that a queue keeps its promises."""

    gpus: Sequence[str]
    jobs: int
    cpu: int
    most: int = 0
    seen: set[str] = field(default_factory=set)

    def __call__(self, queue: Queue) -> None:
        """No GPU twice, none lost, names as given and in order, no more at once than allowed."""
        lent = [name for running in queue.running.values() for name in running.lease]
        assert sorted([*lent, *queue.free]) == sorted(self.gpus)
        for work, running in queue.running.items():
            assert list(running.lease) == [name for name in self.gpus if name in running.lease]
            assert work.least <= len(running.lease) <= max(work.most, work.least)
            assert not work.least or len(running.lease) % work.least == 0
        assert len(queue.running) <= self.jobs
        assert sum(work.host for work in queue.running) <= self.cpu
        assert not {work for work, _ in queue.waiting()} & set(queue.running)


steps = st.builds(
    Step,
    seconds=st.sampled_from([1.0, 2.0, 5.0, 60.0, 3600.0]) | st.floats(0.1, 1e4),
    least=st.integers(0, 8),
    most=st.sampled_from([0, 4, 8, 16]),
    host=st.booleans(),
)


def fitted(step: Step, gpus: int) -> Step:
    """The same with no more GPUs than there are, and as stages are: on GPUs or on the CPU."""
    least = min(step.least, gpus)
    most = step.most // least * least if least else 0
    return Step(step.seconds, least, most, host=step.host and not least)


TOLD: dict[str, Callable[[float], float | None]] = {
    "nothing": lambda seconds: None,
    "the truth": lambda seconds: seconds,
    "some": lambda seconds: seconds if seconds < 100 else None,
    "too little": lambda seconds: seconds / 10,
    "too much": lambda seconds: seconds * 10,
}


@given(
    jobs=st.lists(st.lists(steps, min_size=1, max_size=5), max_size=30),
    gpus=st.integers(0, 9),
    places=st.sampled_from([1, 2, 3, 8, 100]),
    cpu=st.integers(1, 2),
    told=st.sampled_from(sorted(TOLD)),
)
def test_no_gpu_is_lent_twice_and_all_stages_run(
    jobs: list[list[Step]], gpus: int, places: int, cpu: int, told: str
) -> None:
    fit = [[fitted(step, gpus) for step in job] for job in jobs]
    queue = Queue(slots(gpus), places, cpu)
    Simulation(fit, [queue], TOLD[told], Sound(slots(gpus), places, cpu)).run()  # it sees that none is left
    assert queue.free == tuple(slots(gpus))
    assert not queue.running
    assert not queue.waiting()


def overtaken(one: Started, started: Sequence[Started]) -> tuple[int, int]:
    """How many narrower stages began while one could have, and how many of its own need did."""
    behind = [other for other in started if one.ready < other.begun < one.begun and other.work.least]
    own = sum(other.work.least == one.work.least for other in behind)
    return sum(other.work.least < one.work.least for other in behind), own


@given(seed=st.integers(0, 10**6), gpus=st.sampled_from([2, 4, 8]), lengths=st.sampled_from(["uniform", "pareto"]))
def test_a_wide_stage_is_overtaken_a_bounded_number_of_times(seed: int, gpus: int, lengths: str) -> None:
    jobs = [[fitted(step, gpus) for step in job] for job in random_jobs(seed, 60, lengths)]
    simulation = Simulation(jobs, [Queue(slots(gpus), 1000)])
    simulation.run()
    for one in simulation.started:
        narrower, own = overtaken(one, simulation.started)
        assert narrower <= ROUNDS * gpus * (1 + own), one.work.name


@pytest.mark.parametrize("told", ["nothing", "too little", "some", "too much", "the truth"])
@pytest.mark.parametrize("least", [2, 5, 8])
def test_an_endless_stream_of_narrow_stages_starves_no_wide_one(least: int, told: str) -> None:
    rng, serial = random.Random(least), iter(range(10**6))
    lengths: dict[Work, float] = {}
    queue = Queue(slots(8), 100)

    def narrow() -> None:
        seconds = rng.choice((50.0, 100.0, 150.0))
        number = next(serial)
        work = Work(str(number), number, 1, seconds=TOLD[told](seconds))
        lengths[work] = seconds
        queue.add(work)

    for _ in range(20):
        narrow()
    ends = [(lengths[work], work) for work, _ in queue.start(0.0)]
    wide = Work("wide", 10**9, least)
    queue.add(wide)
    for _ in range(2000):
        now, work = min(ends, key=lambda pair: pair[0])
        ends.remove((now, work))
        queue.give_back(work)
        narrow()
        begun = [work for work, _ in queue.start(now)]
        if wide in begun:
            break
        ends += [(now + lengths[work], work) for work in begun]
    assert wide in queue.running
    # longer than all that were allowed to overtake it, one after another on as many GPUs, it has not waited
    assert now <= 150 * (ROUNDS + 2)


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


def known(name: str, order: int, least: int, seconds: float) -> Work:
    """A stage that takes so long, alone in its job."""
    return Work(name, order, least, seconds=seconds, chain=seconds)


def test_what_ends_in_time_goes_before_a_wide_stage_that_waits() -> None:
    long = known("long", 0, 5, 1000)
    queue = filled(8, long)
    queue.start(0)
    for work in (known("wide", 1, 8, 10), known("too long", 2, 1, 901), known("in time", 3, 1, 900)):
        queue.add(work)
    assert names(queue.start(100)) == ["in time"]
    assert {work.name: why for work, why in queue.waiting()} == {
        "wide": "for 8 GPUs, 2 are free",
        "too long": "for 1 GPU, kept for wide, which needs 8",
    }


def test_what_leaves_a_wide_stage_its_gpus_goes_before_it() -> None:
    long, wide = known("long", 0, 4, 1000), known("wide", 1, 5, 10)
    queue = filled(8, long)
    queue.start(0)
    for work in (wide, Work("a", 2, 2), Work("b", 3, 2)):
        queue.add(work)
    assert names(queue.start(0)) == ["a"]  # then 6 are left when the long one ends; both would leave 4


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


def test_alone_a_stage_gets_all_the_gpus_that_it_can_use() -> None:
    for least, most, expected in ((1, 8, 8), (2, 6, 6), (3, 9, 6), (4, 0, 4), (1, 1, 1)):
        queue = filled(8, work := Work("infer", 0, least, most))
        assert len(leases(queue.start())["infer"]) == expected
        queue.give_back(work)
        assert len(queue.free) == 8


def test_gpus_are_shared_out_fairly() -> None:
    queue = filled(8, Work("a", 0, 1, 8), Work("b", 1, 1, 8), Work("c", 2, 1, 2), Work("d", 3, 1))
    assert {name: len(lease) for name, lease in leases(queue.start()).items()} == {"a": 3, "b": 2, "c": 2, "d": 1}


def test_a_stage_leaves_gpus_to_what_comes_soon() -> None:
    queue = filled(8, Work("infer", 0, 1, 8))
    for order in (1, 2):
        queue.add(Work(str(order), order, 2), soon=True)
    assert len(leases(queue.start())["infer"]) == 4


def test_a_stage_leaves_no_gpus_to_what_cannot_begin_before_it_ends() -> None:
    queue = filled(8, Work("infer", 0, 1, 8), Work("train", 1, 8))
    assert leases(queue.start()) == {"infer": tuple("01234567")}


def test_a_stage_leaves_gpus_to_what_waits_for_a_place() -> None:
    queue = filled(8, Work("infer", 0, 1, 8), Work("train", 1, 1), Work("next", 2, 1), jobs=2)
    assert {name: len(lease) for name, lease in leases(queue.start()).items()} == {"infer": 4, "train": 1}


def test_a_stage_that_ends_sooner_with_more_gpus_is_expected_to() -> None:
    work = Work("infer", 0, 2, 8, seconds=100, chain=100)
    queue = filled(8, work)
    queue.start(50)
    assert queue.running[work].ends == 75


def test_neighbours_are_lent_together() -> None:
    works = {need: Work(f"{need}", order, need) for order, need in enumerate((1, 2, 4))}
    queue = filled(8, *works.values())
    assert leases(queue.start()) == {"4": tuple("0123"), "2": ("4", "5"), "1": ("6",)}
    queue.give_back(works[4])
    queue.add(Work("small", 9, 1))
    assert leases(queue.start()) == {"small": ("7",)}  # the four stay together
    queue.give_back(works[2])
    queue.add(Work("pair", 10, 2))
    assert leases(queue.start()) == {"pair": ("4", "5")}


def test_gpus_far_apart_are_better_than_none() -> None:
    works = [Work(str(order), order, 1) for order in range(4)]
    queue = filled(4, *works)
    queue.start()
    for work in works[1:3]:
        queue.give_back(work)
    queue.add(Work("pair", 9, 2))
    assert leases(queue.start()) == {"pair": ("1", "2")}


def test_names_stay_as_they_are() -> None:
    queue = Queue(MIG, 9)
    for order in range(2):
        queue.add(Work(str(order), order, 2))
    assert leases(queue.start()) == {"0": ("MIG-3f1c", "GPU-9a"), "1": ("7", "MIG-GPU-1/2/0")}


def test_a_gpu_that_is_named_twice_is_one() -> None:
    queue = Queue(["0", "1", "0"], 9)
    for order in range(3):
        queue.add(Work(str(order), order, 1))
    assert leases(queue.start()) == {"0": ("0",), "1": ("1",)}
    assert queue.waiting()[0][1] == "for 1 GPU, none is free"


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


# exponential lengths that nobody knows are the hardest of these: up to 1.097
@pytest.mark.parametrize("told", ["nothing", "the truth"])
@pytest.mark.parametrize("lengths", ["uniform", "exponential"])
def test_the_makespan_is_near_the_least_possible(lengths: str, told: str) -> None:
    for seed in range(20):
        jobs = random_jobs(seed, 200, lengths)
        makespan = Simulation(jobs, [Queue(slots(8), 1000)], TOLD[told]).run()
        assert makespan <= 1.1 * bound(jobs, 8), seed


def calls(jobs: Sequence[Job]) -> int:
    """Python calls of the queue alone, in a simulation of these jobs."""
    found = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal found
        found += event == "call" and "orchestrator/run" in frame.f_code.co_filename

    sys.setprofile(count)
    try:
        Simulation(jobs, [Queue(slots(8), 100)], TOLD["the truth"]).run()
    finally:
        sys.setprofile(None)
    return found


def test_the_cost_of_a_stage_does_not_grow_with_their_number() -> None:
    few, many = random_jobs(0, 20), random_jobs(0, 1000)
    assert calls(many) / sum(map(len, many)) < 1.5 * calls(few) / sum(map(len, few))


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
