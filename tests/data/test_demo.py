from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.data.demo import write_demo_data
from orchestrator.data.samples import read_split
from tests.shared import ROOT

DEMO = tasks()["demo"]


def test_splits_share_no_sentence_and_have_the_same_shares(tmp_path: Path) -> None:
    files = write_demo_data(tmp_path)
    assert files["test"].read_bytes().startswith(b"id\tvideo\ttext\tlabel\ndemo_test_00000\t\t")
    texts: list[str] = []
    for split, size in DEMO.sizes.items():
        samples = read_split(DEMO, split, tmp_path, "{root}/video")
        assert len(samples) == size
        counts = Counter(sample.label for sample in samples)
        assert counts.keys() == set(DEMO.labels)
        assert counts.most_common(1)[0][1] / size == pytest.approx(0.40, abs=0.01)
        assert all(sample.video is None for sample in samples)
        texts += [sample.text for sample in samples]
    assert len(set(texts)) == len(texts)


def test_words_that_occur_in_training_decide(tmp_path: Path) -> None:
    """A bag of words is enough: naive Bayes on the words of the training sentences labels nearly all of the test."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    write_demo_data(tmp_path)
    train, test = (read_split(DEMO, split, tmp_path, "") for split in ("train", "test"))
    words = CountVectorizer(token_pattern=r"\w+|[?!.]").fit([sample.text for sample in train])
    model = MultinomialNB().fit(words.transform([s.text for s in train]), [s.label for s in train])
    assert model.score(words.transform([s.text for s in test]), [s.label for s in test]) > 0.9


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    first, again = write_demo_data(tmp_path / "a"), write_demo_data(tmp_path / "b")
    other = write_demo_data(tmp_path / "c", seed=1, sizes=(40, 20, 20))
    assert first["train"].read_bytes() == again["train"].read_bytes()
    assert other["dev"].read_text() != first["dev"].read_text()
    with pytest.raises(ValueError, match="too few"):
        write_demo_data(tmp_path, sizes=(10**6, 1, 1))


def test_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.data.demo", str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[0] == str(tmp_path / "Demo" / "train.tsv")


def test_a_folder_that_cannot_be_written() -> None:
    argv = [sys.executable, "-m", "orchestrator.data.demo", "/dev/null/x"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: /dev/null/x: cannot be written: Not a directory\n    give another folder\n"
