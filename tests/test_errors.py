from __future__ import annotations

import pytest

from orchestrator.errors import InputError, Problem, capped, one_of, unknown


def test_the_first_problems_and_how_many_more() -> None:
    problems = [Problem(f"row {number}") for number in range(1025)]
    assert capped(problems[:20], "x.tsv") == problems[:20]
    assert capped(problems, "x.tsv") == [*problems[:20], Problem("and 1,005 more problems", "x.tsv")]
    assert capped(problems, most=1024, what="videos")[-1] == Problem("and 1 more videos")


def test_a_name_that_is_not_there() -> None:
    assert unknown("split", "tset", ("test", "dev"), "a.yaml:1:1") == Problem(
        "unknown split `tset`", "a.yaml:1:1", "did you mean `test`?"
    )
    assert unknown("split", "all", iter(("test", "dev"))).hint == "known: test, dev"
    assert one_of("split", "dev", {"test": 1, "dev": 2}) == "dev"
    with pytest.raises(InputError, match="unknown split `all`"):
        one_of("split", "all", ("test", "dev"))


def test_one_problem_or_several() -> None:
    assert InputError("no", "here", "do").problems == (Problem("no", "here", "do"),)
    assert InputError([Problem("a"), Problem("b")]).problems == (Problem("a"), Problem("b"))
