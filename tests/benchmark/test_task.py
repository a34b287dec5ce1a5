from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.benchmark import task as module
from orchestrator.benchmark.task import benchmark_tasks, read_tasks, tasks
from orchestrator.data.samples import read_split
from orchestrator.errors import InputError
from orchestrator.scores.report import OTHERS
from tests.recipe_files import JSON
from tests.shared import GOLDEN, MMLA, needs_mmla

ORDER = [
    "MIntRec", "MIntRec2.0", "MELD", "IEMOCAP", "MELD-DA", "IEMOCAP-DA", "MOSI", "Ch-sims", "UR-FUNNY", "MUStARD",
    "AnnoMi-client", "AnnoMi-therapist",
]  # fmt: skip


def test_twelve_tasks_in_the_published_order() -> None:
    assert list(benchmark_tasks("mmla")) == ORDER
    assert list(tasks())[:12] == ORDER
    assert "demo" in tasks()
    assert len({task.dimension for task in benchmark_tasks("mmla").values()}) == 6
    assert tasks()["MELD-DA"].word == "dialogue act"
    assert tasks()["Ch-sims"].folders == ("Ch-sims", "CH-SIMSv2.0")
    hash(tasks()["MELD"])


def test_published_sizes_add_up() -> None:
    found = benchmark_tasks("mmla")
    # the leaderboard is over these; the paper's 61,016 utterances count MELD and IEMOCAP once
    assert sum(task.sizes["test"] for task in found.values()) == 15_713
    total = sum(sum(task.sizes.values()) for task in found.values())
    once = total - sum(found["MELD-DA"].sizes.values()) - sum(found["IEMOCAP"].sizes.values())
    assert abs(once - 61_016) <= 5


def test_labels_are_those_of_the_released_script() -> None:
    for case in json.loads((GOLDEN / "parse_cases.json").read_text()):
        assert list(tasks()[case["dataset"]].labels) == case["labels"]


@needs_mmla
def test_sizes_are_the_released_ones() -> None:
    for entry in json.loads((MMLA / "stats.json").read_text()):
        task = tasks()[entry["dataset"]]
        assert task.dimension == entry["task"]
        assert len(task.labels) == entry["n_labels"]
        for split in ("train", "dev", "test"):
            assert abs(task.sizes[split] - entry[f"{split}_paper"]) <= 1  # AnnoMi's tests are given in two ways
    with (MMLA / "paper_results.csv").open() as file:
        order = list(dict.fromkeys(row["dataset"] for row in csv.DictReader(file)))
    assert order[:12] == ORDER


@needs_mmla
def test_ids_of_the_test_splits_tell_the_dialogues() -> None:
    found = {}
    for task in benchmark_tasks("mmla").values():
        ids = [sample.id for sample in read_split(task, "test", MMLA / "text", "{root}")]
        dialogues = [task.dialogue_of(name) for name in ids]
        assert (None in dialogues) == (task.name in ("UR-FUNNY", "MUStARD")), task.name
        found[task.name] = len({*dialogues} - {None})
    assert found == {
        "MIntRec": 43, "MIntRec2.0": 249, "MELD": 280, "IEMOCAP": 31, "MELD-DA": 802, "IEMOCAP-DA": 151, "MOSI": 31,
        "Ch-sims": 145, "UR-FUNNY": 0, "MUStARD": 0, "AnnoMi-client": 36, "AnnoMi-therapist": 35,
    }  # fmt: skip


def test_the_dialogue_of_a_sample() -> None:
    mintrec = tasks()["MIntRec"]
    assert mintrec.dialogue_of("MIntRec_S06_E04_70") == "MIntRec_S06_E04"
    assert mintrec.dialogue_of("70") is None
    assert tasks()["UR-FUNNY"].dialogue_of("UR-FUNNY_408") is None


def test_dialogues_of_a_task_of_ones_own(tmp_path: Path) -> None:
    own(tmp_path, OWN + "dialogue: 'ep(\\d+)'\n")
    task = tasks(tmp_path)["Humour"]
    assert [task.dialogue_of(name) for name in ("s1-ep12-3", "s1-3")] == ["12", None]


GOOD = {"dimension": "d", "labels": "[x, y]", "language": "en", "sizes": "{test: 1}"}


def entry(**values: str) -> str:
    return "T:\n" + "".join(f"  {key}: {value}\n" for key, value in (GOOD | values).items())


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        (entry(labels="[x, X]"), "3:11: `T.labels`: the label `x` is there twice (letter case is ignored)"),
        *((entry(labels=f"[x, {name}]"), f"3:15: `T.labels[1]`: the label `{name}` is reserved") for name in OTHERS),
        (entry(labels="['', b]"), "3:12: `T.labels[0]`: an empty label"),
        (entry(labels="[' a', b]"), "3:12: `T.labels[0]`: spaces around a label, or a line break in it\n    write `a`"),
        (entry(labels='["a\\nb", b]'), "3:12: `T.labels[0]`: spaces around a label, or a line break in it"),
        (entry(labels='["d: a", b]'), "3:12: `T.labels[0]`: a label with a colon"),
        (entry(labels="[3, x]"), "3:12: `T.labels[0]` must be text, not the number 3\n    put it in quotes"),
        (entry(labels="[true, x]"), "3:12: `T.labels[0]` must be text, not true\n    put it in quotes"),
        (entry(labels="[]"), "3:11: `T.labels` must not be empty"),
        (entry(labels="x, y"), "3:11: `T.labels` must be a list, not the text 'x, y'\n    write `[x, y]`"),
        (entry(labels="[funny, not funny]"), "3:11: `T.labels`: the label `funny` stands in `not funny`"),
        (entry(labels="[d, e]"), "2:14: `T.word`: the label `d` stands in `d`, with which every answer begins"),
        (entry(labels='["joy\\u200b", b]'), "3:12: `joy<U+200B>` holds what cannot be seen"),
        (entry(sizes="{tset: 1}"), "5:11: unknown key `T.sizes.tset`\n    did you mean `test`?"),
        (entry(sizes="{test: 0}"), "5:17: `T.sizes.test` must be at least 1, not 0"),
        (entry(size="{test: 1}"), "6:3: unknown key `T.size`\n    did you mean `sizes`?"),
        (entry(folders="MELD"), "6:12: `T.folders` must be a list, not the text 'MELD'\n    write `[MELD]`"),
        (entry(dialogue="'^(.*_'"), "6:13: `T.dialogue`: not a regular expression: missing ), unterminated subpattern"),
        (entry(dialogue="'(a{99999999999999999999})'"), "6:13: `T.dialogue`: not a regular expression: "),
        (entry(dialogue="'^.*_'"), "6:13: `T.dialogue`: no part of it is in brackets: which part of an id names the "
                                   "dialogue?\n    of ids like `s01_e02_17` the first two parts: `'^(.*)_'`"),
        (entry(dialogue="3"), "6:13: `T.dialogue` must be text, not the number 3\n    put it in quotes"),
        (entry(dimension="3"), "2:14: `T.dimension` must be text, not the number 3\n    put it in quotes"),
        (entry(video="yes"), "6:10: `T.video` must be true or false, not the text 'yes'\n    write true or false"),
        ("T: {labels: [x], language: en, sizes: {}}", "1:1: `T.dimension` is missing\n    add `dimension: ...`"),
        ("T: 3", "1:4: `T` must be a mapping (lines of `key: value`), not the number 3"),
        ('"T\\u200b": ' + "{dimension: d, labels: [x], language: en, sizes: {}}",
         "1:1: `T<U+200B>` holds what cannot be seen"),
        ("[]", "1:1: a file of tasks is a mapping: lines of `key: value`"),
        ("", ": the file is empty: it is to hold a file of tasks"),
        ("T: {", "2:1: this is not valid YAML"),
    ],
)  # fmt: skip
def test_a_wrong_task_is_refused_at_its_place(tmp_path: Path, yaml: str, expected: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml)
    found = read_tasks(file)
    (problem,) = found.problems("mine")
    assert str(problem).startswith(f"{file}{'' if expected.startswith(':') else ':'}{expected}")
    assert not found


def test_words_that_yaml_once_took_for_others_are_labels(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(entry(labels="[yes, no, 012, 1_000, 2024-01-01]", language="no"))
    assert read_tasks(file)["T"].labels == ("yes", "no", "012", "1_000", "2024-01-01")
    assert read_tasks(file)["T"].language == "no"


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("A: {dimension: d, labels: [multi, 3], lang: en, video: no}\nB: 4\n")
    assert len(read_tasks(file).problems()) == 8


def test_a_task_is_one_entry(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("T: {dimension: turn_taking, labels: [yield, hold], language: en, sizes: {test: 5}}")
    task = read_tasks(file)["T"]
    assert (task.dataset, task.word, task.folders, task.benchmark) == ("T", "turn taking", ("T",), "mine")
    assert (task.sizes, task.place) == ({"test": 5}, f"{file}:1:1")
    assert [problem.message for problem in read_tasks(file, file).problems()] == [
        f"the task `T` is defined already at {file}:1:1"
    ]
    assert not read_tasks(file, file, file)


def test_unknown_benchmark() -> None:
    with pytest.raises(InputError, match="did you mean `mmla`"):
        benchmark_tasks("mmlaa")


TASK = "{}: {{dimension: d, labels: [x, y], language: en, sizes: {{test: 1}}}}\n"


def test_a_wrong_entry_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mmla.yaml").write_text(
        TASK.format("A") + TASK.format("B").replace("language: en", "language: []")
    )
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK.format("C"))
    (tmp_path / "tasks" / "cut.yaml").write_text("D: {")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "task.py"))
    module._shipped.cache_clear()
    try:
        assert list(tasks()) == ["A", "C"]
        assert list(benchmark_tasks("mine")) == ["C"]
        with pytest.raises(InputError, match=r"2:45: `B.language` must be text"):
            benchmark_tasks("mmla")  # a part of it would be taken for all
        assert [problem.message for problem in tasks().unknown("B", "r.yaml:1:1")] == [
            "the task `B` cannot be used: what defines it is wrong", "`B.language` must be text, not a list"
        ]  # fmt: skip
        first, second = tasks().unknown("D")  # which may stand in the file that cannot be read
        assert first.message == "unknown task `D`"
        assert "not valid YAML" in second.message
        assert len(tasks().problems()) == 2
        (tmp_path / "tasks" / "mine.yaml").write_text(TASK.format("A") + TASK.format("C"))
        module._shipped.cache_clear()
        assert list(tasks()) == ["C"]  # neither of two that have one name
        assert len(tasks().problems("mmla")) == 2
        (twice,) = tasks().problems("mine")
        already = f"the task `A` is defined already at {tmp_path}/tasks/mmla.yaml:1:1"
        assert str(twice) == f"{tmp_path}/tasks/mine.yaml:1:1: {already}\n    rename one of them"
        assert tasks().problems("mmla")[1] == twice
    finally:
        module._shipped.cache_clear()


# --- tasks that a data folder brings

OWN = "labels: [funny, serious]\nlanguage: zh\n"


def own(root: Path, text: str = OWN, folder: str = "Humour") -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / "task.yaml").write_text(text)
    return root / folder / "task.yaml"


def test_labels_and_language_make_a_task_of_a_folder(tmp_path: Path) -> None:
    file = own(tmp_path)
    task = tasks(tmp_path)["Humour"]
    assert (task.labels, task.language, task.sizes, task.benchmark) == (("funny", "serious"), "zh", {}, "own")
    assert (task.dimension, task.word, task.dataset, task.folders) == ("category", "category", "Humour", ("Humour",))
    assert task.place == str(file)
    assert list(tasks(tmp_path)) == [*tasks(), "Humour"]
    assert list(benchmark_tasks("mmla", tmp_path)) == ORDER
    assert "Humour" not in tasks()


def test_all_that_a_task_file_may_say(tmp_path: Path) -> None:
    own(tmp_path, OWN + "name: CH-FUN.v2\ndimension: sense_of_humour\nsizes: {test: 3}\nlicence: mine\nvideo: true\n")
    task = tasks(tmp_path).named("CH-FUN.v2")
    assert (task.word, task.dataset, task.folders) == ("sense of humour", "Humour", ("Humour",))
    assert (task.sizes, task.licence, task.video) == ({"test": 3}, "mine", True)
    own(tmp_path, OWN + "dimension: x\nword: mood of the speaker\ndataset: Fun\n")
    assert (tasks(tmp_path)["Humour"].word, tasks(tmp_path)["Humour"].dataset) == ("mood of the speaker", "Fun")


def test_an_edit_is_seen_and_two_folders_do_not_mix(tmp_path: Path) -> None:
    own(tmp_path / "a")
    own(tmp_path / "b", OWN.replace("serious", "earnest"))
    assert tasks(tmp_path / "a")["Humour"].labels == ("funny", "serious")
    assert tasks(tmp_path / "b")["Humour"].labels == ("funny", "earnest")
    assert tasks(tmp_path / "a")["Humour"] != tasks(tmp_path / "b")["Humour"]
    own(tmp_path / "a", OWN.replace("serious", "dead serious"))
    assert tasks(tmp_path / "a")["Humour"].labels == ("funny", "dead serious")
    assert tasks(tmp_path / "b")["Humour"].labels == ("funny", "earnest")
    (tmp_path / "a" / "Humour" / "task.yaml").unlink()
    assert "Humour" not in tasks(tmp_path / "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("labels: [a, b]\nlangauge: zh\n", [": `language` is missing\n    add `language: en`",
                                            ":2:1: unknown key `langauge`\n    did you mean `language`?"]),
        (OWN + "folders: [x]\n", [":3:1: unknown key `folders`\n    known keys: labels, language, dimension, word, "
                                  "dataset, licence, video, sizes, dialogue, name"]),
        (OWN + "name: all\n", [":3:7: `all` cannot be a task's name: it means several tasks\n    choose another"]),
        (OWN + "name: a/b\n", [":3:7: `a/b` cannot be a task's name\n    "
                               "letters, digits and . _ - + only, for it names folders"]),
        (OWN + "name: 2024\n", [":3:7: `name` must be text, not the number 2024\n    put it in quotes"]),
        ("labels: [humour, dry humour]\nlanguage: zh\n", [
            ":1:9: `labels`: the label `humour` stands in `dry humour`\n    an answer `dry humour` names both: call "
            "one of them otherwise"]),
        (OWN + "dimension: funny_or_not\n", [
            ":3:12: `word`: the label `funny` stands in `funny or not`, with which every answer begins (`funny or not: "
            "funny`)\n    give another `word`, or call the label otherwise"]),
        ("- a\n", [":1:1: a task file is a mapping: lines of `key: value`"]),
        ("", [": the file is empty: it is to hold a task file"]),
        (OWN * 2, [":3:1: duplicate key `labels`\n    it stands already at F:1:1: remove one",
                   ":4:1: duplicate key `language`\n    it stands already at F:2:1: remove one"]),
    ],
)  # fmt: skip
def test_a_wrong_task_file_stops_only_its_task(tmp_path: Path, text: str, expected: list[str]) -> None:
    own(tmp_path, folder="Other")
    file = own(tmp_path, text)
    found = tasks(tmp_path)
    assert list(found) == [*tasks(), "Other"]
    first, *others = found.unknown("Humour", "r.yaml:3:8")
    assert str(first) == "r.yaml:3:8: the task `Humour` cannot be used: what defines it is wrong"
    assert [str(problem).replace(str(file), "F") for problem in others] == [f"F{message}" for message in expected]
    assert others == found.problems("own")
    assert found.unknown("Hamster")[1:] == others  # it may be the name that the file gives


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "Humour" / "task.yaml").mkdir(parents=True)
    own(tmp_path, folder=".hidden")
    own(tmp_path, folder="my set")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "task.yaml").symlink_to("nowhere")
    assert [str(problem) for problem in tasks(tmp_path).problems()] == [
        f"{tmp_path}/Humour/task.yaml: this is a folder, not a file",
        f"{tmp_path}/link/task.yaml: there is no such file",
        f"{tmp_path}/my set/task.yaml: `my set` cannot be a task's name\n    letters, digits and . _ - + only, "
        "for it names folders; add a `name:`, or rename the folder",
    ]
    assert list(tasks(tmp_path / "none")) == list(tasks())


@pytest.mark.parametrize("name", ["MELD", "meld"])
def test_a_name_that_a_benchmark_has_is_refused_with_both_places(tmp_path: Path, name: str) -> None:
    file = own(tmp_path, f"{OWN}name: {name}\n")
    found = tasks(tmp_path)
    assert "MELD" not in found
    assert name not in found
    assert len(found) == len(tasks()) - 1
    _, problem = found.unknown(name)
    also = "" if name == "MELD" else " as `MELD` (letter case is ignored)"
    place = Path(module.__file__).parent / "tasks" / "mmla.yaml:30:1"
    assert str(problem) == f"{file}: the task `{name}` is defined already{also} at {place}\n    rename one of them"
    with pytest.raises(InputError, match="is defined already"):
        benchmark_tasks("mmla", tmp_path)
    assert tasks()["MELD"].labels


def test_two_folders_of_one_task_name(tmp_path: Path) -> None:
    own(tmp_path, OWN + "name: Fun\n", "one")
    own(tmp_path, OWN + "name: Fun\n", "two")
    own(tmp_path, OWN + "name: Fun\n", "three")
    assert "Fun" not in tasks(tmp_path)
    assert len(tasks(tmp_path).problems("own")) == 2


def test_a_folder_without_a_task_file_is_told_what_makes_it_one(tmp_path: Path) -> None:
    (tmp_path / "Humour").mkdir()
    (problem,) = tasks(tmp_path).unknown("Humour")
    assert problem.message == "unknown task `Humour`"
    assert problem.hint.endswith(
        f"to make a task of {tmp_path}/Humour, write its `labels:` and `language:` to {tmp_path}/Humour/task.yaml"
    )


def test_where_tasks_are_looked_for_is_told(tmp_path: Path) -> None:
    own(tmp_path)
    (problem,) = tasks(tmp_path).unknown("Zzz")
    assert problem.hint.endswith(f"; tasks of your own are looked for in the data folder, {tmp_path}")
    (problem,) = tasks(tmp_path).unknown("Humuor")
    assert problem.hint == "did you mean `Humour`?"
    (problem,) = tasks(tmp_path / "Humour").unknown("Humour")
    assert problem.hint.endswith(
        f"; {tmp_path}/Humour is the folder of one data set: name the one above it as the data folder"
    )


KEYS = st.sampled_from(["labels", "language", "name", "sizes", "train", "word", "dimension", "video", "dialogue", "x"])


@given(st.one_of(JSON, st.dictionaries(KEYS, st.one_of(JSON, st.dictionaries(KEYS, JSON, max_size=2)), max_size=5)))
def test_whatever_a_file_holds_is_a_task_or_told(value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        own(Path(folder), yaml.safe_dump(value, allow_unicode=True))
        found = tasks(Path(folder))
        assert len(found) == len(tasks()) + 1 or found.problems("own")
        benchmark = Path(folder) / "mine.yaml"
        benchmark.write_text(yaml.safe_dump({"T": value}, allow_unicode=True))
        assert "T" in read_tasks(benchmark) or read_tasks(benchmark).problems("mine")
