"""What is read of a file of YAML, and how its faults are said."""

from __future__ import annotations

import pytest

from orchestrator.checked_yaml.reader import MAX_BYTES, scalar
from orchestrator.recipe.load import load_recipe
from tests.recipe_files import GOOD, problems, write

pytestmark = pytest.mark.usefixtures("own_folder")


def test_numbers_and_words_of_yaml_1_2() -> None:
    text = "train: {learning_rate: 1e-4, weight_decay: 1.e-3, epochs: 1E1}\nmodel: {name: tiny_qwen2, template: no}\n"
    recipe = load_recipe(write("method: sft\ntasks: [MELD]\n" + text))
    assert recipe.train is not None
    assert (recipe.train.learning_rate, recipe.train.weight_decay, recipe.train.epochs) == (1e-4, 1e-3, 10.0)
    assert recipe.model.template == "no"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), (".5", 0.5), ("-3", -3), ("+5", 5), ("0", 0), ("true", True), ("False", False),
        ("", None), ("~", None), ("null", None), ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("012", "012"),
        ("0o17", "0o17"), ("0x1F", "0x1F"), ("1:30", "1:30"), ("2020-01-01", "2020-01-01"), ("1_000", "1_000"),
        (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"), ("-", "-"), (".", "."), ("1e", "1e"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


BAD: list[tuple[str, str]] = [
    ("seed: 1\nseed: 2", "5:1: duplicate key `seed`\n    it stands already at x.yaml:4:1: remove one"),
    ("train:\n  epochs: 1\n  epochs: 2",
     "6:3: duplicate key `epochs`\n    it stands already at x.yaml:5:3: remove one"),
    ("<<: {seed: 1}", "4:1: `<<` merge keys are not read\n    write its keys out; recipes share them with `extends`"),
    ("resources: {env: {1: x}}", "4:19: a key must be text, not the number 1\n    put it in quotes"),
    ("train: {extra: {[a]: x}}", "4:17: a key must be text, not a list\n    put it in quotes"),
    ("name: !!python/object/apply:os.system ['ls']", "4:7: `name` must be text, not a list"),
    ("seed: *x", "4:7: `*x` refers to nothing above it"),
    ('description: "\\0"', "4:14: a character that text files do not hold\n    delete it"),
    ("a: b: c", "4:5: this is not valid YAML: mapping values are not allowed in this context\n    "
     "text with `: ` in it needs quotes; or this line is indented too far"),
    ("train:\n\tepochs: 1", "5:1: this is not valid YAML: found character that cannot start any token\n    "
     "text that starts with @, ` or % needs quotes; indent with spaces, not tabs"),
    ("name: 'x", "4:7: this is not valid YAML: found unexpected end of stream\n    a quote is not closed"),
    ("description: a\x01", "4:15: a character that text files do not hold\n    delete it"),
    ("---\nseed: 1", "4:1: a second YAML document starts here\n    keep one"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:40].replace("\n", " ") for text, _ in BAD])
def test_bad_lines(text: str, expected: str) -> None:
    found = problems(GOOD + text + "\n")
    assert f"x.yaml:{expected}" in found
    if not text.startswith(("name: !!", "resources: {env: {1", "seed: *x", "name: 'x")):  # these mean a second one
        assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["x.yaml: the file is empty: it is to hold a recipe"]),
        ("# only a comment\n", ["x.yaml: the file is empty: it is to hold a recipe"]),
        ("- a\n", ["x.yaml:1:1: a recipe is a mapping: lines of `key: value`"]),
        ("just words\n", ["x.yaml:1:1: a recipe is a mapping: lines of `key: value`"]),
        (b"a: 1\nb: \xe9\n", ["x.yaml:2: this is not UTF-8 text\n    save the file as UTF-8"]),
        ("[" * 100_000, ["x.yaml:1:42: values are nested more than 40 levels deep"]),
        ("x" * (MAX_BYTES + 1), ["x.yaml: this is not a recipe: it holds 1,000,001 bytes"]),
    ],
)  # fmt: skip
def test_bad_files(text: str | bytes, expected: list[str]) -> None:
    assert problems(text) == expected


def test_aliases_are_read_but_a_bomb_is_refused() -> None:
    recipe = load_recipe(write(GOOD + "train: {lora: &l {rank: 4}, extra: {x: *l, y: *l}}\n"))
    assert recipe.train is not None
    assert recipe.train.extra == {"x": {"rank": 4}, "y": {"rank": 4}}
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (problem,) = problems("\n".join(["a0: &a0 [x]", *levels]))
    assert "more than 20,000 values, aliases expanded" in problem
    chain = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))])
    assert problems(chain) == ["x.yaml:40:12: values are nested more than 40 levels deep"]


@pytest.mark.parametrize(
    ("text", "place", "shown", "remove"),
    [
        ("see\u200bd: 3\n", "4:1", "see<U+200B>d", "U+200B (zero width space)"),
        ("name: a\u200b\n", "4:7", "a<U+200B>", "U+200B (zero width space)"),
        ('name: "a\\u200b"\n', "4:7", "a<U+200B>", "U+200B (zero width space)"),
        ("seed: 3\ufeff\n", "4:7", "3<U+FEFF>", "U+FEFF (zero width no-break space)"),
    ],
)
def test_what_cannot_be_seen_is_told_once(text: str, place: str, shown: str, remove: str) -> None:
    assert problems(GOOD + text) == [f"x.yaml:{place}: `{shown}` holds what cannot be seen\n    remove {remove}"]


def test_marks_that_join_are_text() -> None:
    said = "na\u200dve \U0001f468\u200d\U0001f469 a\u00a0b"
    assert load_recipe(write(f"{GOOD}prompt: {{system: '{said}'}}\n")).prompt.system == said
