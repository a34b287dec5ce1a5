"""Which texts are the same, and which are long enough for that to mean anything."""

from __future__ import annotations

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data.same_text import LongEnough, TextLeak, text_leakage
from orchestrator.data.samples import Sample


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No, you can\u2019t do that here!", "no you can't DO that - here"),
        ("\uff39\uff45\uff53, you can do that here", "yes you can do that here"),  # full width
        ("Stra\u00dfe one two three four five", "STRASSE one two three four five"),
        ("caf\u00e9 one two three four five", "cafe\u0301 one two three four five"),
        ("\u6211\u4eca\u5929\u771f\u7684\u975e\u5e38\u9ad8\u5174\u89c1\u5230\u4f60\u3002",
         "\u6211\u4eca\u5929 \u771f\u7684\uff0c\u975e\u5e38\u9ad8\u5174 \u89c1\u5230\u4f60"),
    ],
)  # fmt: skip
def test_the_same(one: str, other: str) -> None:
    rule = LongEnough()
    assert rule.key(one) is not None
    assert rule.key(one) == rule.key(other)


def test_not_the_same() -> None:
    rule = LongEnough()
    assert rule.key("No, you can do that there!") != rule.key("No, you can do that here!")


@pytest.mark.parametrize(
    ("text", "words", "characters", "counts"),
    [
        ("one two three four five six", 6, 12, True),
        ("one two three four five", 6, 12, False),
        ("one, two -- three ... four ! five ?", 6, 12, False),
        ("\u6211" * 12, 6, 12, True),
        ("\u6211" * 11 + "\u3002", 6, 12, False),
        ("\u6211 " * 11, 6, 12, False),  # characters, though they stand apart
        ("\u6211" * 3, 1, 4, False),
        ("\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", 1, 7, True),
        ("", 1, 1, False),
        ("...", 1, 1, False),
        ("one two three four five six \u6211", 6, 12, True),  # mostly of a script with spaces
    ],
)
def test_long_enough(text: str, words: int, characters: int, counts: bool) -> None:
    assert (LongEnough(words, characters).key(text) is not None) is counts


def test_pairs() -> None:
    meld, da, mosi = (tasks()[name] for name in ("MELD", "MELD-DA", "MOSI"))
    long, short = "this is one text of some length", "Yeah."

    def rows(*texts: str) -> list[Sample]:
        return [Sample(str(number), "", "", text, "", None) for number, text in enumerate(texts)]

    held = {(meld, "test"): rows(long, long, short), (mosi, "dev"): rows(short)}
    trained = {da: rows(long.title()), mosi: rows(f"{long}!", short), meld: rows(short)}
    assert text_leakage(held, trained, {meld: "MELD", da: "MELD", mosi: "MOSI"}, LongEnough()) == [
        TextLeak("MELD", "test", 3, "MELD-DA", 2, within=True),
        TextLeak("MELD", "test", 3, "MOSI", 2, within=False),
    ]
