"""Which GPUs a stage is given, and how many."""

from __future__ import annotations

from orchestrator.run.queue import Queue, Work
from tests.run.queues import filled, leases

MIG = ["MIG-3f1c", "GPU-9a", "7", "MIG-GPU-1/2/0"]


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
    # the narrow one could begin beside it, and would then have the wide one wait for hours
    queue = filled(8, Work("infer", 0, 1, 8), Work("train", 1, 8), Work("narrow", 2, 1))
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
