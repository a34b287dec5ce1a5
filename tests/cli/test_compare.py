from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.scores.answer_file import answers_path
from orchestrator.scores.compare.beside import Beside
from orchestrator.scores.compare.entry import KEYS
from orchestrator.scores.compare.flips import Flip
from tests.running import call
from tests.scores.compare.made import samples, write_run
from tests.shared import ROOT

TRUTH = "joke " * 20 + "fact " * 20
GOOD = samples(TRUTH, "joke " * 18 + "fact " * 22)
BAD = samples(TRUTH, "joke " * 10 + "fact " * 10 + "joke " * 5 + "fact " * 10 + "unknown " * 5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tasks of three runs: `b` is better in both, `c` as `a`."""
    for name, said in (("a", BAD), ("b", GOOD), ("c_d", BAD)):
        write_run(tmp_path, name, {"UR-FUNNY": said, "MUStARD": said}, model="Qwen2-7B", seed=ord(name[0]))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def compare(*words: Any, code: int = 0) -> str:
    return call("compare", *words, code=code)


def test_programs_get_small_p_as_they_are(tmp_path: Path) -> None:
    for name, said in (("a", "fact " * 60), ("b", "joke " * 60)):
        write_run(tmp_path, name, {"UR-FUNNY": samples("joke " * 60, said)})
    score = next(one for one in json.loads(compare(tmp_path, "--json"))["scores"] if one["run"] == "b")
    assert score["p_exact"] == pytest.approx(2 * 0.5**60, rel=1e-6)
    assert score["p"] == score["p_holm"] == pytest.approx(0.5**60, rel=1e-6)
    row = pd.read_csv(io.StringIO(compare(tmp_path, "--csv"))).query("run == 'b' and metric == 'acc'").iloc[0]
    assert row["p"] == pytest.approx(0.5**60, rel=1e-6)


def test_two_runs_in_one_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = compare(folder / "a.csv", folder / "b.csv")
    lines = said.splitlines()
    assert lines[0].split() == ["accuracy", "accuracy", "accuracy", "macro", "F1", "macro", "F1", "macro", "F1"]
    assert lines[1].split() == [
        "task", "n", "a", "b", "difference", "95%", "interval", "p", "only", "right", "least",
        "a", "b", "difference", "95%", "interval", "p",
    ]  # fmt: skip
    assert lines[2].split()[:5] == ["UR-FUNNY", "40", "50.00", "95.00*", "+45.00"]
    assert "18 : 0" in lines[2]
    assert [line.split()[0] for line in lines[2:5]] == ["UR-FUNNY", "MUStARD", "overall"]
    assert "seed          97  98" in said
    remarks = " ".join(said.split())
    assert "Differences: to `a`, in percentage points" in remarks
    assert "adjusted by Holm's method for the 2 tests of each metric. The overall score is not tested." in remarks


@pytest.mark.parametrize("width", [10, 40, 80, 100, 200])
def test_no_number_is_lost_at_any_width(folder: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    numbers = re.compile(r"[-+]?\d+\.\d\d\b")
    tables = compare(folder).partition("* marks")[0]
    monkeypatch.setenv("COLUMNS", "1000")
    wide = compare(folder).partition("* marks")[0]
    assert sorted(numbers.findall(tables)) == sorted(numbers.findall(wide))
    if width >= 40:
        assert max(map(len, tables.splitlines())) <= width


def test_runs_are_rows_where_there_is_one_task(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = compare(folder, "--task", "MUStARD", "--baseline", "b").splitlines()
    assert lines[0] == "MUStARD, 40 samples"
    assert [line.split()[:2] for line in lines[4:7]] == [["b", "95.00*"], ["a", "50.00"], ["c_d", "50.00"]]
    assert lines[4].split()[3] == "baseline"
    assert lines[5].split()[3] == "-45.00"


def test_three_runs_and_more(folder: Path) -> None:
    said = compare(folder)
    titles = [line for line in said.splitlines() if line in ("accuracy", "macro F1") or " against " in line]
    assert titles == ["accuracy", "macro F1", "b against a", "c_d against a"]


def test_bold_on_a_terminal(folder: Path) -> None:
    command = [sys.executable, "-m", "orchestrator", "compare", str(folder / "a.csv"), str(folder / "b.csv")]
    program = f"import pty, sys; sys.exit(pty.spawn({command!r}) >> 8)"
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "\x1b[1m95.00\x1b[0m" in shown
    assert "95.00*" not in shown


def test_json_has_its_keys(folder: Path) -> None:
    found = json.loads(compare(folder, "--json", "--flips", "--published", "--draws", "200", "--seed", "7"))
    assert list(found) == ["format", "baseline", "runs", "tasks", "common", "scores", "differs", "options", "notes",
                           "published", "flips"]  # fmt: skip
    assert (found["format"], found["baseline"], found["tasks"]) == (1, "a", ["UR-FUNNY", "MUStARD"])
    assert found["runs"][2] == {
        "name": "c_d", "recipes": ["c_d"], "files": [str(folder / "c_d.csv")], "seeds": [99], "paired": True,
    }  # fmt: skip
    assert {tuple(one) for one in found["scores"]} == {tuple(KEYS)}
    assert len(found["scores"]) == 3 * 3 * 2
    (b,) = [one for one in found["scores"] if (one["task"], one["run"], one["metric"]) == ("MUStARD", "b", "acc")]
    exact = pytest.approx(2 / 2**18, rel=1e-6)
    assert (b["difference"], b["only_run"], b["test"], b["p_exact"]) == (45.0, 18, "mcnemar", exact)
    assert found["differs"]["seed"] == {"a": "97", "b": "98", "c_d": "99"}
    assert (found["options"]["draws"], found["options"]["seed"]) == (200, 7)
    assert list(found["flips"][0]) == ["run" if name == "column" else name for name in Flip._fields]
    assert len(found["flips"]) == 2 * 18
    assert list(found["published"][0]) == ["run" if name == "column" else name for name in Beside._fields]
    assert {(one["task"], one["published"]) for one in found["published"]} == {("UR-FUNNY", 71.3), ("MUStARD", 63.0)}


def test_the_same_seed_gives_the_same_numbers(folder: Path) -> None:
    one, two, other = (compare(folder, "--csv", "--draws", "200", "--seed", seed) for seed in (1, 1, 2))
    assert one == two != other


def test_csv_is_read_by_pandas(folder: Path) -> None:
    table = pd.read_csv(io.StringIO(compare(folder, "--csv")))
    assert list(table.columns) == list(KEYS)
    assert len(table) == 3 * 3 * 2
    accuracy = table[table.metric == "acc"].pivot_table(index="task", columns="run", values="value")
    assert accuracy.loc["MUStARD"].to_dict() == {"a": 50.0, "b": 95.0, "c_d": 50.0}


def rows_of_markdown(text: str) -> list[list[list[str]]]:
    """The tables of a page in Markdown, as fields."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("| "):
            found[-1].append([field.strip() for field in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_markdown_reads_back(folder: Path) -> None:
    scores, f1, *others = rows_of_markdown(compare(folder, "--markdown"))
    assert scores[0] == ["task", "n", "a", "b", "c_d"]
    assert scores[2] == ["UR-FUNNY", "40", "50.00", "**95.00**", "50.00"]
    assert len(f1) == len(scores) == 5
    assert len(others) == 3
    for table in (scores, f1, *others):
        assert len({len(row) for row in table}) == 1


def test_latex_reads_back(folder: Path) -> None:
    text = compare(folder, "--latex")
    bodies = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n\\toprule\n(.*?)\n\\bottomrule", text, re.DOTALL)
    assert len(bodies) == 5
    for form, body in bodies:
        lines = [line for line in body.splitlines() if line != r"\midrule"]
        assert {len(line.removesuffix(r" \\").split(" & ")) for line in lines} == {len(form)}
    assert bodies[0][1].splitlines()[0] == r"task & n & a & b & c\_d \\"
    assert r"\textbf{95.00}" in text
    # all else is a remark
    rest = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", text, flags=re.DOTALL)
    assert {line[:2] for line in rest.splitlines() if line} == {"% "}


def test_what_is_not_comparable_is_refused_with_status_2(folder: Path) -> None:
    write_run(folder, "d", {"UR-FUNNY": GOOD[:39], "MUStARD": GOOD})
    said = compare(folder / "a.csv", folder / "d.csv", code=2)
    assert said.startswith(f"error: {folder / 'd.csv'}: UR-FUNNY: `a` and `d` differ in the utterances")
    assert "n 40 and 39" in said
    marked = compare(folder / "a.csv", folder / "d.csv", "--anyway")
    assert re.search(r"^UR-FUNNY +40/39 +50\.00 +!94\.87\*", marked, re.MULTILINE)
    assert re.search(r"^MUStARD +40 +50\.00 +95\.00\*", marked, re.MULTILINE)
    assert "! marks what is not comparable" in marked


def test_damaged_answers_are_refused_with_their_line(folder: Path) -> None:
    path = answers_path(folder / "b.csv")
    path.write_bytes(path.read_bytes()[:200])
    said = compare(folder / "a.csv", folder / "b.csv", code=2)
    assert f"{path}: the answers cannot be read" in said


def test_one_run_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    path = folder / "a.csv"
    assert "only one run is named, `a`: nothing to compare it with" in compare(path, path, code=2)
    said = compare(path, "--published")
    assert "beside the published accuracies of Qwen2-7B sft" in said
    assert re.search(r"^UR-FUNNY +50\.00 +71\.30 +-21\.30 +\[-3\d\.\d\d, -\d\.\d\d\]$", said, re.MULTILINE)
    assert "these runs answered UR-FUNNY 40 of 994, MUStARD 40 of 138" in " ".join(said.split())


def test_nothing_is_published_for_it(folder: Path) -> None:
    write_run(folder, "e", {"UR-FUNNY": GOOD, "MUStARD": GOOD}, model="Mine", method="zero_shot")
    assert "Nothing is published for Mine, zero_shot (`e`)." in compare(
        folder / "e.csv", folder / "a.csv", "--published"
    )


def test_flips_are_listed(folder: Path) -> None:
    said = compare(folder / "a.csv", folder / "b.csv", "--flips", "--task", "MUStARD")
    listed = said.partition("right in a alone, or in b alone\n\n")[2].partition("\n\n")[0].splitlines()
    assert listed[0].split() == ["id", "task", "label", "a", "b"]
    assert listed[1].split() == ["s10", "MUStARD", "joke", "fact", "joke"]
    assert len(listed) == 1 + 18
    assert "unknown: no idea" in listed[-1]
    assert "at most 20" not in said
    assert "leave out --seeds" in compare(folder, "--flips", "--seeds", code=2)


def test_only_some_flips_of_many_are_listed(folder: Path) -> None:
    many = "joke " * 60
    write_run(folder, "x", {"MUStARD": samples(many, "fact " * 30 + "joke " * 30)})
    write_run(folder, "y", {"MUStARD": samples(many, "joke " * 55 + "fact " * 5)})
    said = compare(folder / "x.csv", folder / "y.csv", "--flips")
    listed = said.partition("right in x alone, or in y alone\n\n")[2].partition("\n\n")[0].splitlines()[1:]
    ids = [line.split()[0] for line in listed]
    assert ids == [*(f"s{n}" for n in range(55, 60)), *(f"s{n}" for n in range(15))]
    assert "at most 20 samples are listed; --flips --json has all" in said


def test_options_that_do_not_go_together(folder: Path) -> None:
    assert "--json and --csv: choose one of them" in compare(folder, "--json", "--csv", code=2)
    assert "did you mean `MUStARD`?" in compare(folder, "--task", "MUSTARD", code=2)
    assert "--csv holds the runs' scores alone" in compare(folder, "--csv", "--flips", code=2)
    assert "no run has the task `overall`" in compare(folder, "--task", "overall", code=2)
    assert "did you mean `c_d`?" in compare(folder, "--baseline", "cd", code=2)


def test_runs_by_name_in_a_folder_of_results(folder: Path) -> None:
    said = compare("b", "a", "--results-dir", folder)
    assert "Differences: to `b`" in said


def test_a_run_without_the_task_is_left_out(folder: Path) -> None:
    write_run(folder, "m", {"MOSI": GOOD})
    said = compare(folder, "--task", "MUStARD")
    assert "m is left out: it has none of these tasks" in said
