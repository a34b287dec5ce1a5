from __future__ import annotations

import pytest

from orchestrator.errors import InputError, Problem, capped, hidden_hint, listed, one_of, unknown, visible


def test_the_first_problems_and_how_many_more() -> None:
    problems = [Problem(f"row {number}") for number in range(1025)]
    assert capped(problems[:20], "x.tsv") == problems[:20]
    assert capped(problems, "x.tsv") == [*problems[:20], Problem("and 1,005 more problems", "x.tsv")]
    assert capped(problems, most=1024, what="videos")[-1] == Problem("and 1 more videos")
    assert listed(["a", "b"], 2) == "a, b"
    assert listed([str(number) for number in range(1_500)], 2) == "0, 1 and 1,498 more"


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


@pytest.mark.parametrize(
    ("text", "shown", "hint"),
    [
        ("joy", "joy", ""),
        ("Ünü 你好 😀\nline", "Ünü 你好 😀\nline", ""),
        ("joy\u200b", "joy<U+200B>", "remove U+200B (zero width space)"),
        ("\ufeffa\u00a0b\u200b\u200b", "<U+FEFF>a<U+00A0>b<U+200B><U+200B>",
         "remove U+FEFF (zero width no-break space), U+200B (zero width space); "
         "write a plain space for U+00A0 (no-break space)"),
        ("d0\x85\x1b[1m", "d0<U+0085><U+001B>[1m", "remove U+0085 (a control character), U+001B (a control character)"),
        ("\u3164\ufe0f", "<U+3164><U+FE0F>", "remove U+3164 (hangul filler), U+FE0F (variation selector-16)"),
        ("\ud800", "<U+D800>", "remove U+D800 (a control character)"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_shown(text: str, shown: str, hint: str) -> None:
    assert visible(text) == shown
    assert hidden_hint(text) == hint
    assert str(Problem(f"no `{text}`", "x.tsv:2", "mend it")) == f"x.tsv:2: no `{shown}`\n    mend it"


def test_a_known_name_with_an_invisible_character() -> None:
    problem = unknown("task", "MELD\u200b", ("MELD", "MOSI"))
    assert str(problem) == ("unknown task `MELD<U+200B>`\n    remove U+200B (zero width space); did you mean `MELD`?")
