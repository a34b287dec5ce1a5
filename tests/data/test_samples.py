from __future__ import annotations

import contextlib
import csv
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.benchmark.task import Task, tasks
from orchestrator.data import samples
from orchestrator.data.samples import Sample, file_digest, read_split, split_file
from orchestrator.errors import MOST_PROBLEMS, InputError
from tests.shared import MMLA, needs_mmla

VIDEOS = "{root}/{dataset}/video"
MELD = tasks()["MELD"]
GOOD = "id\tvideo\ttext\tlabel\n1\t1.mp4\tHello there.\tjoy\n"


def write(root: Path, content: str | bytes, task: Task = MELD, split: str = "test") -> Path:
    path = root / task.folders[0] / f"{split}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems(root: Path, task: Task = MELD, videos: str = VIDEOS) -> list[str]:
    with pytest.raises(InputError) as raised:
        read_split(task, "test", root, videos)
    return [str(problem) for problem in raised.value.problems]


def test_reads_a_row(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    video = f"{tmp_path}/MELD/video/1.mp4"
    assert read_split(MELD, "test", tmp_path, VIDEOS) == [Sample("1", "MELD", "test", "Hello there.", "joy", video)]


@pytest.mark.parametrize(
    "content",
    [
        "label\textra\tText\tID\njoy\tx\tHi\t1\n",  # any order, any case, extra columns, no video
        "id\tvideo\ttext\tlabel\r\n1\t\tHi\tJOY\r\n",  # CRLF, letter case of the label, no video named
        "\ufeffid\tutterance\temotion\n1\tHi\tjoy\n\n",  # BOM, other names, a blank line
        '"id"\t"text"\t"label"\n"1"\t"Hi"\t"joy"',  # all quoted, no line end
    ],
)
def test_header_driven(tmp_path: Path, content: str) -> None:
    write(tmp_path, content)
    assert read_split(MELD, "test", tmp_path, VIDEOS) == [Sample("1", "MELD", "test", "Hi", "joy", None)]


def test_texts_are_kept_to_the_letter(tmp_path: Path) -> None:
    texts = [
        "",
        " a ",
        'say "hi"',
        '"',
        "two\nlines",
        "two\r\nlines",
        "a\ttab",
        "{{ text }}",
        "NA",
        "你好",
        "\u2028",
        "#",
    ]
    path = tmp_path / "MELD" / "test.tsv"
    path.parent.mkdir()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "text", "label"])
        writer.writerows([str(at), text, "joy"] for at, text in enumerate(texts))
    assert [sample.text for sample in read_split(MELD, "test", tmp_path, VIDEOS)] == texts
    assert len(read_split(MELD, "test", tmp_path, VIDEOS, limit=3)) == 3


def draw(root: Path, rows: list[str], **how: int) -> list[str]:
    write(root, "id\ttext\tlabel\n" + "".join(f"{row}\tHi\tjoy\n" for row in rows))
    return [sample.id for sample in read_split(MELD, "test", root, VIDEOS, **how)]


def test_what_a_limit_draws(tmp_path: Path) -> None:
    """It depends on the ids and the seed alone; a smaller draw is part of a larger one."""
    rows = [f"{dialogue}_{number}" for dialogue in range(20) for number in range(10)]
    draws = {limit: draw(tmp_path, rows, limit=limit) for limit in (1, 10, 20, 199, 200, 999)}
    assert [len(drawn) for drawn in draws.values()] == [1, 10, 20, 199, 200, 200]
    assert draws[20] == [row for row in rows if row in set(draws[20])]  # as they stood
    assert set(draws[1]) < set(draws[10]) < set(draws[20]) < set(draws[199]) < set(draws[200])
    assert draws[10] == ["1_0", "2_7", "4_7", "6_2", "7_2", "9_6", "12_3", "13_1", "14_0", "14_9"]
    shuffled = random.Random(7).sample(rows, len(rows))
    assert set(draw(tmp_path, shuffled, limit=10)) == set(draws[10])
    assert set(draw(tmp_path, rows, limit=10, seed=1)) != set(draws[10])
    # without other rows it draws the same from what is left, and no more
    assert set(draw(tmp_path, [*draws[20], "new"], limit=10)) - {"new"} <= set(draws[10])


def test_a_limit_leaves_no_row_unread(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "2\t2.mp4\tHi\tjoi\n")
    with pytest.raises(InputError, match="`joi` is not a label"):
        read_split(MELD, "test", tmp_path, VIDEOS, limit=1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", [":1: the file is empty"]),
        ("id\ttext\tlabel\n", [":1: no rows"]),
        (
            "1\tHi\tjoy\n2\tHo\tjoy\n",
            [":1: no header: the first line names none of the columns id, text, label (found: 1, Hi, joy)"],
        ),
        ("id\ttext\ttext\tlabel\n1\ta\tb\tjoy\n", ["names `text` twice"]),
        ("id\ttext\tlabel\n1\tHi\n2\tHo\tjoy\tx\n", [":2: 2 fields, but the header has 3", ":3: 4 fields"]),
        ("id\ttext\tlabel\n\tHi\tjoy\n", [":2: empty id"]),
        ("id\ttext\tlabel\n1\tHi\tjoy\n1\tHo\tjoy\n", [":3: the id `1` was on line 2 already"]),
        ("id\ttext\tlabel\n1\tHi\tjoi\n", [":2: `joi` is not a label of MELD\n    did you mean `joy`?"]),
        ('id\ttext\tlabel\n1\t"a\nb"\tjoy\n2\tHi\tx\n', [":4: `x` is not a label"]),  # physical lines
        ('id\ttext\tlabel\n1\t"Hi" he said\tjoy\n2\tHo\tx\n', [":2: not valid TSV", ":3: `x` is not"]),
        ('id\ttext\tlabel\n1\tHi\tjoy\n2\t"Hi\tjoy\n3\tHo\tjoy\n', [":3: not valid TSV: unexpected end of data"]),
        # not quoted by anyone: the next quote before a tab would end the text of row 1
        (
            'id\ttext\tlabel\n1\t"Hi he said\tjoy\n2\tHo\tjoy\n3\tHa ha"\tjoy\n4\tHo\tx\n',
            [":2: a quote that is not closed? rows may have been swallowed", ":5: `x` is not"],
        ),
        (b"id\ttext\tlabel\n1\tH\xe9\tjoy\n", [":2: byte 0xe9 is not UTF-8"]),
        (b"\xef\xbb\xbfid\ttext\tlabel\n1\tH\n\xff", [":3: byte 0xff"]),
        (b"id\ttext\tlabel\n1\tH\0\tjoy\n", [":2: holds a NUL byte"]),
        (f"id\ttext\tlabel\n1\t{'x' * 200_000}\tjoy\n", [":2: not valid TSV: field larger"]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, content: str | bytes, expected: list[str]) -> None:
    path = write(tmp_path, content)
    found = problems(tmp_path)
    assert len(found) == len(expected), found
    for message, part in zip(found, expected, strict=True):
        assert message.startswith(str(path))
        assert part in message


@pytest.mark.parametrize("name", ["../x.mp4", "/etc/x.mp4", "a/../../x.mp4", "..", ".", "../videos/x.mp4", "./"])
def test_a_video_must_stay_in_its_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"id\tvideo\ttext\tlabel\n1\t{name}\tHi\tjoy\n")
    (message,) = problems(tmp_path)
    assert ":2: the video" in message
    assert "outside the video folder" in message


def test_videos_beneath_and_other_roots(tmp_path: Path) -> None:
    write(tmp_path, "id\tvideo\ttext\tlabel\n1\ta/./b.mp4\tHi\tjoy\n2\t..b.mp4\tHi\tjoy\n")
    samples = read_split(MELD, "test", tmp_path, "/videos/{dataset}")
    assert [sample.video for sample in samples] == ["/videos/MELD/a/b.mp4", "/videos/MELD/..b.mp4"]
    assert "known: {root}, {dataset}" in problems(tmp_path, videos="{root}/{task}")[0]


def test_at_most_twenty_problems_are_listed(tmp_path: Path) -> None:
    write(tmp_path, "id\ttext\tlabel\n" + "".join(f"{at}\tHi\tx{at}\n" for at in range(1000)))
    found = problems(tmp_path)
    assert len(found) == MOST_PROBLEMS + 1
    assert "and 980 more problems" in found[-1]


def test_missing_files_say_where_was_looked(tmp_path: Path) -> None:
    sims = tasks()["Ch-sims"]
    assert "does not exist" in problems(tmp_path / "nowhere", sims)[0]
    (message,) = problems(tmp_path, sims)
    assert "no data for Ch-sims (or CH-SIMSv2.0) in the data folder: it is empty" in message
    assert "--set data.root=DIR" in message
    assert "MMLA_DATA_ROOT" in message
    path = tmp_path / "CH-SIMSv2.0" / "test.tsv"
    path.parent.mkdir()
    path.write_text("id\tvideo\ttext\tlabel\n1\t1.mp4\t好\tpositive\n", encoding="utf-8")
    assert split_file(sims, "test", tmp_path) == path
    assert read_split(sims, "test", tmp_path, VIDEOS)[0].video == f"{tmp_path}/CH-SIMSv2.0/video/1.mp4"
    looked = "looked for Ch-sims/train.tsv, CH-SIMSv2.0/train.tsv"
    with pytest.raises(InputError, match=rf"{looked} \(or .json, .jsonl\); there: CH-SIMSv2.0/test.tsv"):
        read_split(sims, "train", tmp_path, VIDEOS)


def test_digest_follows_the_content(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    first = file_digest(path)
    assert first == file_digest(path)
    write(tmp_path, GOOD + "2\t2.mp4\tHi\tjoy\n")
    assert file_digest(path) != first


@given(st.binary(max_size=300) | st.text(alphabet='idtexlab\t\n\r"12\0é', max_size=200).map(str.encode), st.booleans())
def test_any_bytes_give_samples_or_an_input_error(tmp_path: Path, content: bytes, header: bool) -> None:
    write(tmp_path, (b"id\tvideo\ttext\tlabel\n" if header else b"") + content)
    with contextlib.suppress(InputError):
        samples = read_split(MELD, "test", tmp_path, VIDEOS)
        assert all(sample.label in MELD.labels and sample.id for sample in samples)


@needs_mmla
def test_the_benchmark_reads_whole() -> None:
    with (MMLA / "text" / "MANIFEST.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 34
    for row in rows:
        samples = read_split(tasks()[row["dataset"]], row["split"], MMLA / "text", VIDEOS)
        assert len(samples) == int(row["rows"])
        assert file_digest(MMLA / "text" / row["dataset"] / f"{row['split']}.tsv").startswith(row["sha256_16"])


def test_a_digest_that_is_forgotten_meanwhile_is_given_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(dict[tuple[str, int, int], str]):
        """As where another thread forgets all digests at once."""

        def __setitem__(self, *_: object) -> None:
            pass

    (tmp_path / "train.tsv").write_text("text")
    expected = file_digest(tmp_path / "train.tsv")
    monkeypatch.setattr(samples, "_digests", Forgetful())
    assert file_digest(tmp_path / "train.tsv") == expected
