"""The figures for a paper: which there are, and that they hold what the page shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.scores.compare.entry import Options as Compared
from orchestrator.scores.compare.runs import read_runs
from orchestrator.scores.compare.sources import find_sources
from orchestrator.scores.page.curves import Training
from orchestrator.scores.page.parts import Content, Options, content
from orchestrator.scores.page.samples import sample_sets
from tests.running import call
from tests.scores.compare.made import samples, write_run, write_runs

TRAINING = Training("one", "MELD", [(1, 2.0), (2, 1.0)], [(2, 50.0)], "of the tokens right on dev", 2)


def shown(folder: Path, trainings: Sequence[Training] = ()) -> Content:
    one = write_run(folder, "one", {"MELD": samples("joy anger joy", "joy joy multi")}, model="Qwen2-7B", method="sft")
    two = write_run(folder, "two", {"MELD": samples("joy anger joy", "joy anger error")}, model="GPT-4o")
    runs, _ = read_runs(find_sources([str(one), str(two)], folder)[0])
    return content(runs, tasks(), Options(published=False, compared=Compared(draws=100), trainings=trainings))


def test_confusion_by_class_and_outcome(tmp_path: Path) -> None:
    made = shown(tmp_path)
    (held,) = sample_sets(made.runs, made.tasks)
    counts = held.counts(0)
    joy, anger = held.classes.index("joy"), held.classes.index("anger")
    assert counts.shape == (len(held.classes), len(held.classes) + 5)
    assert (counts[joy, joy], counts[anger, joy], counts.sum()) == (1, 1, 3)
    assert counts[joy, len(held.classes) + held.outcomes.index("multi")] == 1
    assert held.counts(1)[joy, len(held.classes) + held.outcomes.index("error")] == 1


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = write_run(tmp_path, "one", {"MELD": samples("joy", "joy")})
    out = tmp_path / "page.html"
    said = call("report", path, "--out", out, "--figures", tmp_path / "figures", code=2)
    assert "matplotlib, which is not installed" in said
    assert not out.exists()


def test_each_figure_is_an_svg_with_its_words_and_a_pdf(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from orchestrator.scores.page.figures import write_figures

    made = shown(tmp_path, [TRAINING])
    files, notes = write_figures(tmp_path / "figures", made)
    names = [path.name for path in files]
    assert names == [
        f"{name}.{kind}"
        for name in (
            "mmla_tasks",
            "mmla_comparison",
            "curve_one_MELD_1",
            "confusion_one_MELD_1",
            "confusion_two_MELD_2",
        )
        for kind in ("svg", "pdf")
    ]
    assert notes == []
    texts = {}
    for path in files:
        if path.suffix == ".svg":
            texts[path.stem] = " ".join(text.strip() for text in ElementTree.parse(path).getroot().itertext())
        else:
            assert path.read_bytes().startswith(b"%PDF-")
    assert "Qwen2-7B" in texts["mmla_tasks"]
    assert "points above one" in " ".join(texts["mmla_comparison"].split())
    assert "training loss" in texts["curve_one_MELD_1"]
    assert {"neutral", "unknown", "error"} <= set(texts["confusion_one_MELD_1"].split())


def test_runs_with_long_names_alike_and_strange_labels_have_their_own_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    strange = "a$\ud800\x00\u540d$"
    held = {"Mine": [("s0", strange, strange)]}
    names = [f"{'long-' * 30}{seed}" for seed in (1, 2)]
    path = write_runs(tmp_path / "sweep.csv", dict.fromkeys(names, held))
    said = call("report", path, "--out", tmp_path / "page.html", "--figures", tmp_path / "figures")
    assert "4 figures" in said
    assert "the font of the PDFs lacks some characters" in said
    assert "Warning" not in said
    drawn = sorted((tmp_path / "figures").glob("confusion*.svg"))
    assert [path.stem[-11:] for path in drawn] == ["ng-1_Mine_1", "ng-2_Mine_2"]
    bars = list(ElementTree.parse(tmp_path / "figures" / "own_tasks.svg").getroot().itertext())
    assert [text[-6:] for text in bars if text.startswith("...")] == ["long-1", "long-2"]
    for path in drawn:
        assert "a$<U+D800><U+0000>\u540d$" in list(ElementTree.parse(path).getroot().itertext())


@pytest.mark.long
def test_the_same_results_make_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from orchestrator.scores.page.figures import write_figures

    made = shown(tmp_path)
    first, _ = write_figures(tmp_path / "first", made)
    second, _ = write_figures(tmp_path / "second", made)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_hundreds_of_matrices_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from orchestrator.scores.page import figures

    monkeypatch.setattr(figures, "MOST_MATRICES", 1)
    files, notes = figures.write_figures(tmp_path / "figures", shown(tmp_path))
    assert not [path for path in files if "confusion" in path.name]
    assert notes == ["2 confusion matrices are not drawn: name fewer runs, or a --task"]
