"""Files of models, lists and named entries: every fault at its place, and a wrong entry costs only itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from orchestrator.checked_yaml.files import load, load_entries
from orchestrator.checked_yaml.section import Section
from orchestrator.errors import InputError


class Size(Section):
    width: int
    height: float = 1.0


class Box(Section):
    """What the tests read."""

    title: str
    tags: tuple[str, ...] = Field((), min_length=1)
    size: Size | None = None
    sealed: bool = False


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "boxes.yaml"


def said(error: InputError, file: Path) -> list[str]:
    return [str(problem).replace(str(file), "F") for problem in error.problems]


def test_what_a_file_holds(file: Path) -> None:
    file.write_text("title: no\ntags: [012, 1:30, 2024-01-01]\nsize: {width: 3, height: 1e-5}\n")
    box = load(file, Box, "a box")
    assert (box.title, box.tags, box.size) == ("no", ("012", "1:30", "2024-01-01"), Size(width=3, height=1e-5))
    file.write_text("- {title: a}\n- {title: b}\n")
    assert [box.title for box in load(file, tuple[Box, ...], "boxes")] == ["a", "b"]
    assert [box.title for box in load(file, list[Box], "boxes")] == ["a", "b"]
    file.write_text("x: {title: a}\n")
    assert load(file, dict[str, Box], "boxes") == {"x": Box(title="a")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("titel: a\ntags: x\nsealed: yes\n", [
            "F: `title` is missing\n    add `title: ...`",
            "F:1:1: unknown key `titel`\n    did you mean `title`?",
            "F:2:7: `tags` must be a list, not the text 'x'\n    write `[x]`",
            "F:3:9: `sealed` must be true or false, not the text 'yes'\n    write true or false",
        ]),
        ("title: a\nsize:\n  width: 1\n  width: 2\n", [
            "F:4:3: duplicate key `width`\n    it stands already at F:3:3: remove one",
        ]),
        ("title: 5\nsize: {width: 1.5, title: b}\n", [
            "F:1:8: `title` must be text, not the number 5\n    put it in quotes",
            "F:2:15: `size.width` must be a whole number, not the number 1.5",
            "F:2:20: unknown key `size.title`\n    `title` belongs at the top of the file, not indented",
        ]),
        ("- a\n", ["F:1:1: a box is a mapping: lines of `key: value`"]),
        ("", ["F: the file is empty: it is to hold a box"]),
        ("x" * 1_000_001, ["F: this is not a box: it holds 1,000,001 bytes"]),
        ("title: a\ntitle: b\nx: [", [
            "F:2:1: duplicate key `title`\n    it stands already at F:1:1: remove one",
            "F:4:1: this is not valid YAML: did not find expected node content\n    "
            "a colon, quote or bracket is missing, or the indentation is wrong",
        ]),
    ],
)  # fmt: skip
def test_all_faults_at_once_at_their_places(file: Path, text: str, expected: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load(file, Box, "a box")
    assert said(caught.value, file) == expected


def test_lists_and_mappings_of_models(file: Path) -> None:
    file.write_text("- {title: a, width: 3}\n- {tite: b}\n- 4\n")
    with pytest.raises(InputError) as caught:
        load(file, tuple[Box, ...], "a list of boxes")
    assert said(caught.value, file) == [
        "F:1:14: unknown key `[0].width`\n    `width` belongs under `size`",
        "F:2:3: `[1].title` is missing\n    add `title: ...`",
        "F:2:4: unknown key `[1].tite`\n    did you mean `title`?",
        "F:3:3: `[2]` must be a mapping (lines of `key: value`), not the number 4",
    ]
    file.write_text("x: {title: a}\n")
    with pytest.raises(InputError, match=r"1:1: a list of boxes is a list: lines of `- value`"):
        load(file, tuple[Box, ...], "a list of boxes")


def test_no_such_file(file: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load(file, Box, "a box")
    assert str(load_entries(file, Box, "boxes").wrong[None][0]) == f"{file}: there is no such file"


def test_a_wrong_entry_costs_only_itself(file: Path) -> None:
    file.write_text(
        "good: {title: a}\n"
        "twice: {title: a}\n"
        "inside: {title: a, title: b}\n"
        "twice: {title: b}\n"
        '"unse\\u200ben": {title: a}\n'
        "also: {title: b}\n"
        "three: 3\n"
        "5: {title: c}\n"
        "deep: {title: a, size: {width: x, tags: [a]}}\n"
    )
    entries = load_entries(file, Box, "boxes")
    assert list(entries.found) == ["good", "also"]
    assert {name: [problem.message for problem in problems] for name, problems in entries.wrong.items()} == {
        "twice": ["duplicate key `twice`"],
        "inside": ["duplicate key `title`"],
        "unseen": ["`unse\u200ben` holds what cannot be seen"],
        "5": ["a key must be text, not the number 5"],
        "three": ["`three` must be a mapping (lines of `key: value`), not the number 3"],
        "deep": [
            "`deep.size.width` must be a whole number, not the text 'x'",
            "unknown key `deep.size.tags`",
        ],
    }
    assert entries.wrong["deep"][1].where == f"{file}:9:35"
    assert entries.wrong["deep"][1].hint == "`tags` belongs at the top of the entry, not indented"
    assert entries.place("also") == f"{file}:6:1"
    assert entries.place("deep", "size", "width") == f"{file}:9:32"
    assert entries.place("none") == str(file)
    with pytest.raises(InputError) as caught:
        entries.checked()
    assert len(caught.value.problems) == 7


def test_a_file_that_cannot_be_read_is_wrong_as_a_whole(file: Path) -> None:
    file.write_text("a: {title: a}\na: {title: b}\nb: [\n")
    entries = load_entries(file, Box, "boxes")
    assert entries.found == {}
    assert [problem.where for problem in entries.wrong[None]] == [f"{file}:2:1", f"{file}:4:1"]
