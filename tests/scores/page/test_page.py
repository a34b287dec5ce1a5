"""The page as text: complete in itself, and nothing in it that came from an answer is more than text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data.forms import VIDEO_ROOT
from orchestrator.data.leaks import Leak
from orchestrator.machine.files import atomic_write
from orchestrator.scores.answer_file import AnswerRow, answers_path, write_answers
from orchestrator.scores.compare.runs import read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.page import samples as packing
from orchestrator.scores.page.parts import Options, content
from orchestrator.scores.page.render import page
from orchestrator.scores.page.utterances import read_leaks
from orchestrator.scores.results import read_results, write_results
from tests.running import call
from tests.scores.compare.made import results, samples, write_run
from tests.scores.page.parsed import data_of, unpacked

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp; \u2028 \u202eevil \x1b[31m"


def made(folder: Path, *paths: Path, **options: Any) -> str:
    runs, _ = read_runs(find_sources([str(path) for path in paths], folder)[0])
    return page(content(runs, tasks(), Options(**options)))


class Tags(HTMLParser):
    """The elements of a page, and what they refer to."""

    def __init__(self, text: str):
        super().__init__()
        self.scripts = 0
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A run whose names and answers are hostile."""
    held = {"MELD": samples("joy joy", "joy unknown")}
    rows = results("evil", held, model=EVIL, checkpoint=EVIL, settings=EVIL, split=EVIL)
    path = tmp_path / "evil.csv"
    write_results(path, [row | {"recipe": EVIL.replace("/", "|")} for row in rows])
    named = {"recipe": EVIL.replace("/", "|"), "task": "MELD", "label": "joy", "error": None}
    answers: list[AnswerRow] = [
        {**named, "id": f"1{EVIL}", "answer": f"joy {EVIL}", "parsed": "joy", "outcome": "label"},
        {**named, "id": "2", "answer": EVIL * 1000, "parsed": None, "outcome": "unknown"},
    ]  # type: ignore[typeddict-item]
    write_answers(answers_path(path), answers)
    return path


def test_hostile_names_and_answers_are_text(tmp_path: Path, evil: Path) -> None:
    text = made(tmp_path, evil)
    tags = Tags(text)
    assert tags.scripts == 2
    assert [link for link in tags.links if not link.startswith("#")] == []
    assert tags.handlers == []
    assert "alert(1)</script>" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    held = unpacked(data_of(text)["sets"][0]["answers"]["0"])
    assert held["strings"] == [f"joy {EVIL}", (EVIL * 1000)[:2000]]
    assert held["sizes"] == {"1": len(EVIL) * 1000}


def test_long_answers_are_cut_and_that_is_said(tmp_path: Path, evil: Path) -> None:
    assert "Answers longer than 2,000 characters are cut" in made(tmp_path, evil)


def test_ten_megabytes_of_an_answer_do_not_make_the_page_large(tmp_path: Path) -> None:
    path = write_run(tmp_path, "long", {"MELD": samples("joy", "joy")})
    row: AnswerRow = {
        "recipe": "long", "task": "MELD", "id": "s0", "label": "joy", "answer": "joy " + "x" * 10_000_000,
        "parsed": "joy", "outcome": "label", "error": None,
    }  # fmt: skip
    write_answers(answers_path(path), [row])
    assert len(made(tmp_path, path)) < 300_000


def test_many_long_answers_are_cut_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run(tmp_path, "many", {"MELD": samples("joy " * 50, "joy " * 50)})
    rows = [
        AnswerRow(recipe="many", task="MELD", id=f"s{at}", label="joy", answer=f"joy {at ** 700}"[:1900], parsed="joy",
                  outcome="label", error=None)
        for at in range(50)
    ]  # fmt: skip
    write_answers(answers_path(path), rows)
    assert "are cut" not in made(tmp_path, path)
    monkeypatch.setattr(packing, "MOST", 12_000)
    text = made(tmp_path, path)
    assert "Answers longer than 100 characters are cut" in text
    assert "label alone" not in text
    assert len(data_of(text)["sets"][0]["answers"]["0"]) <= 12_000
    # of answers that name a label, it is the label that counts
    monkeypatch.setattr(packing, "MOST", 1000)
    text = made(tmp_path, path)
    assert "Of answers that name a label, the label alone is here. Answers longer than 400 characters are cut" in text
    assert unpacked(data_of(text)["sets"][0]["answers"]["0"])["strings"] == []


def test_nothing_is_asked_of_anybody(tmp_path: Path, evil: Path) -> None:
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', made(tmp_path, evil))[0]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    assert set(rules) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", rules[kind]) for kind in ("script-src", "style-src"))


def test_samples_and_answers_come_back(tmp_path: Path) -> None:
    held = {"MELD": samples("joy anger joy sadness", "joy joy multi error")}
    one = write_run(tmp_path, "one", held)
    two = write_run(tmp_path, "two", {"MELD": held["MELD"][::-1]})
    three = write_run(tmp_path, "three", {"MELD": held["MELD"][:2]})
    data = data_of(made(tmp_path, one, two, three))
    whole, part = data["sets"]
    assert [run["name"] for run in data["runs"]] == ["one", "two", "three"]
    assert (set(whole["answers"]), set(part["answers"])) == ({"0", "1"}, {"2"})
    assert whole["classes"][: whole["labels"]] == list(tasks()["MELD"].labels)
    known = unpacked(whole["samples"])
    assert known["ids"] == ["s0", "s1", "s2", "s3"]
    assert [whole["classes"][code] for code in known["truth"]] == ["joy", "anger", "joy", "sadness"]
    joy = whole["classes"].index("joy")
    for run in "01":
        answers = unpacked(whole["answers"][run])
        assert answers["said"] == [joy, joy, -4, -3]
        assert [answers["strings"][which] for which in answers["which"]] == [
            "it is joy", "it is joy", "joy or anger", "out of memory",
        ]  # fmt: skip
    assert "texts" not in known


def test_scores_are_those_of_the_csv(tmp_path: Path) -> None:
    path = write_run(tmp_path, "one", {"MELD": samples("joy anger", "joy joy"), "MOSI": samples("positive", "multi")})
    scores = data_of(made(tmp_path, path))["metrics"]
    rows = read_results(path)
    for metric, (held,) in scores.items():
        assert held == {row["task"]: row[metric] for row in rows}


def test_published_values_stand_beside_runs_of_the_benchmark_only(tmp_path: Path) -> None:
    demo = write_run(tmp_path, "demo", {"demo": samples("command", "command")})
    meld = write_run(tmp_path, "meld", {"MELD": samples("joy", "joy")})
    assert "LLaVA-OV-72B" not in made(tmp_path, demo)
    assert "LLaVA-OV-72B" in made(tmp_path, demo, published=True)
    assert "LLaVA-OV-72B" in made(tmp_path, meld)
    assert "LLaVA-OV-72B" not in made(tmp_path, meld, published=False)


def test_results_without_answers_and_tasks_that_nobody_knows(tmp_path: Path) -> None:
    path = write_run(tmp_path, "own", {"Mine": samples("up down", "up up")})
    answers_path(path).unlink()
    out = tmp_path / "deep" / "page.html"
    said = call("report", path, "--out", out)
    assert said.startswith(f"{out}: 1 run, 0.")
    text = out.read_text(encoding="utf-8")
    assert "No answers beside the results of own" in text
    assert data_of(text)["sets"] == []
    assert 'id="matrix"' not in text
    assert ">Mine</button>" in text


def test_samples_in_training_data_are_told_to_who_has_the_data(tmp_path: Path) -> None:
    rows = {
        ("MELD", "test"): ["MELD_0_0\t\tYes.\tjoy", "MELD_0_1\t\tNo.\tjoy"],
        ("MELD", "train"): ["MELD_1_0\t\tyes.\tjoy"],
        ("MELD-DA", "train"): ["MELD-DA_0_1\t\tNo.\tanswer"],
    }
    for (task, split), lines in rows.items():
        atomic_write(tmp_path / "data" / task / f"{split}.tsv", "\n".join(["id\tvideo\ttext\tlabel", *lines, ""]))
    path = write_run(tmp_path, "one", {"MELD": samples("joy joy", "joy joy")})
    runs, _ = read_runs(find_sources([str(path)], tmp_path)[0])
    (own,) = read_leaks(runs, tasks(), tmp_path / "data", VIDEO_ROOT)
    assert own == Leak("MELD", "test", 2, "MELD", 0, 1)
    text = made(tmp_path, path, leaks=[own])
    assert 'id="leaks"' in text
    assert 'id="leaks"' not in made(tmp_path, path)


def test_what_a_task_of_ones_own_is_about_is_text(tmp_path: Path) -> None:
    path = write_run(tmp_path, "own", {"Mine": samples("up", "up")}, dimension="a\u202eb_c")
    text = made(tmp_path, path)
    assert "a&lt;U+202E&gt;b c, 1 label, n\u00a0=\u00a01" in text
    assert "\u202e" not in text


def test_tasks_of_ones_own_have_an_overall_score_beside_others(tmp_path: Path) -> None:
    held = {"MELD": samples("joy", "joy"), "Mine": samples("up up up", "up up up"), "Other": samples("up", "down")}
    path = write_run(tmp_path, "one", held)
    text = made(tmp_path, path, published=False)
    # weighted by what was answered, as in the results of a run of these tasks alone
    assert re.findall(r'<td class="n strong" data-value="([^"]*)"', text) == ["100.0", "75.0"]


def test_the_same_results_make_the_same_page(tmp_path: Path) -> None:
    path = write_run(tmp_path, "one", {"MELD": samples("joy anger", "joy joy")})
    assert made(tmp_path, path) == made(tmp_path, path)
