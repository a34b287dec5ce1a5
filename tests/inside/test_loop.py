"""The loop that all runners share, with answerers that fail in every way we know."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inside import loop


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class Fake:
    """Answers with the prompt and the whole batch it came in, so that a change of batches shows."""

    def __init__(self, fits: int = 99, bad: Sequence[str] = (), error: BaseException | None = None) -> None:
        self.fits, self.bad, self.error = fits, bad, error or ValueError("bad\nsample")
        self.batches: list[list[str]] = []

    def length(self, request: loop.Request) -> int:
        return len(request["prompt"])

    def answer(self, batch: Sequence[loop.Request]) -> list[loop.Answer]:
        ids = [request["id"] for request in batch]
        self.batches.append(ids)
        if any(name in self.bad for name in ids):
            raise self.error
        if sum(len(request["prompt"]) for request in batch) > self.fits:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [(f"{request['prompt']} in {'+'.join(ids)}", "stop") for request in batch]


def config(folder: Path, lengths: Sequence[int] = (3, 1, 4, 1, 5), size: int = 2, **more: Any) -> dict[str, Any]:
    requests = [{"id": f"r{number}", "prompt": "x" * length} for number, length in enumerate(lengths)]
    (folder / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    return {
        "requests": str(folder / "requests.jsonl"),
        "predictions": str(folder / "predictions.jsonl"),
        "batch_size": size,
        **more,
    }


def lines(folder: Path, name: str = "predictions.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def without_time(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {record["id"]: {key: value for key, value in record.items() if key != "seconds"} for record in records}


def test_longest_first_in_fixed_batches(tmp_path: Path) -> None:
    fake = Fake()
    assert loop.run(config(tmp_path), lambda: fake) == 0
    assert fake.batches == [["r4", "r2"], ["r0", "r1"], ["r3"]]
    assert [line["id"] for line in lines(tmp_path)] == ["r4", "r2", "r0", "r1", "r3"]
    assert lines(tmp_path)[0]["finish_reason"] == "stop"
    assert lines(tmp_path)[0]["seconds"] >= 0


def test_nothing_to_do_loads_no_model(tmp_path: Path) -> None:
    settings = config(tmp_path)
    loop.run(settings, Fake)
    before = (tmp_path / "predictions.jsonl").read_bytes()

    def load() -> Fake:
        raise AssertionError("loaded for nothing")

    assert loop.run(settings, load) == 0
    assert (tmp_path / "predictions.jsonl").read_bytes() == before


def test_out_of_memory_halves_the_batch(tmp_path: Path) -> None:
    fake = Fake(fits=4)
    assert loop.run(config(tmp_path, (4, 2, 2, 1), size=4), lambda: fake) == 0
    assert fake.batches == [["r0", "r1", "r2", "r3"], ["r0", "r1"], ["r0"], ["r1"], ["r2", "r3"]]
    assert [line["id"] for line in lines(tmp_path)] == ["r0", "r1", "r2", "r3"]


def test_a_request_that_never_fits_gets_an_error(tmp_path: Path) -> None:
    assert loop.run(config(tmp_path, (9, 1, 1), size=4), lambda: Fake(fits=4)) == 0
    assert lines(tmp_path)[0]["error"].startswith("out of memory")
    assert "error" not in lines(tmp_path)[1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("sizes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: BaseException, expected: bool) -> None:
    assert loop.is_out_of_memory(error) is expected


def test_a_bad_sample_does_not_hold_back_its_batch(tmp_path: Path) -> None:
    fake = Fake(bad=["r2"])
    assert loop.run(config(tmp_path, size=5), lambda: fake) == 0
    records = without_time(lines(tmp_path))
    assert records["r2"] == {"id": "r2", "error": "ValueError: bad sample"}
    assert all("text" in records[name] for name in ("r0", "r1", "r3", "r4"))


def test_an_exception_in_the_place_of_an_answer(tmp_path: Path) -> None:
    class Some(Fake):
        def answer(self, batch: Sequence[loop.Request]) -> list[loop.Answer]:
            return [
                FileNotFoundError("no video v.mp4") if request["id"] == "r0" else ("fine", "stop") for request in batch
            ]

    assert loop.run(config(tmp_path), Some) == 0
    assert without_time(lines(tmp_path))["r0"] == {"id": "r0", "error": "FileNotFoundError: no video v.mp4"}


def test_a_wrong_number_of_answers_is_noticed(tmp_path: Path) -> None:
    class Short(Fake):
        def answer(self, batch: Sequence[loop.Request]) -> list[loop.Answer]:
            return [("one", "stop")]

    assert loop.run(config(tmp_path), Short) == 0
    assert all(line["text"] == "one" for line in lines(tmp_path))  # each was asked again, alone


def test_all_failed_is_a_failure_and_is_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(tmp_path)
    everything = [f"r{number}" for number in range(5)]
    assert loop.run(settings, lambda: Fake(bad=everything)) == loop.ALL_FAILED
    assert "ValueError: bad sample" in capsys.readouterr().err
    assert loop.run(settings, Fake) == 0
    assert sorted(line["id"] for line in lines(tmp_path)) == everything
    assert not any("error" in line for line in lines(tmp_path))


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error: device-side assert triggered"), KeyboardInterrupt(), SystemExit(1)]
)
def test_what_is_not_a_samples_fault_ends_the_run(tmp_path: Path, error: BaseException) -> None:
    settings = config(tmp_path)
    with pytest.raises(type(error)):
        loop.run(settings, lambda: Fake(bad=["r3"], error=error))
    assert [line["id"] for line in lines(tmp_path)] == ["r4", "r2", "r0", "r1"]  # what was answered is kept
    assert loop.run(settings, Fake) == 0
    assert len(lines(tmp_path)) == 5


def test_a_torn_last_line_is_cut(tmp_path: Path) -> None:
    settings = config(tmp_path)
    loop.run(settings, Fake)
    whole = without_time(lines(tmp_path))
    data = (tmp_path / "predictions.jsonl").read_bytes()
    (tmp_path / "predictions.jsonl").write_bytes(data[:-7] + b"\0\0\0")
    assert loop.run(settings, Fake) == 0
    assert without_time(lines(tmp_path)) == whole


@given(cut=st.integers(0, 2000), lengths=st.lists(st.integers(0, 9), min_size=1, max_size=12), size=st.integers(1, 5))
def test_any_interruption_gives_each_answer_once(
    tmp_path_factory: pytest.TempPathFactory, cut: int, lengths: list[int], size: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    settings = config(folder, lengths, size)
    make: Callable[[], Fake] = lambda: Fake(fits=11, bad=["r1", "r5"])  # noqa: E731
    loop.run(settings, make)
    path = folder / "predictions.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data))])
    loop.run(settings, make)
    again = lines(folder)
    assert sorted(line["id"] for line in again) == sorted(f"r{number}" for number in range(len(lengths)))
    path.write_bytes(data)
    assert without_time(again) == without_time(lines(folder))


def test_shards_cover_everything_once(tmp_path: Path) -> None:
    for index in range(3):
        loop.run(config(tmp_path, shard=[index, 3]) | {"predictions": str(tmp_path / f"p{index}.jsonl")}, Fake)
    answered = [line["id"] for index in range(3) for line in lines(tmp_path, f"p{index}.jsonl")]
    assert sorted(answered) == [f"r{number}" for number in range(5)]
    alone = tmp_path / "alone"
    alone.mkdir()
    loop.run(config(alone), Fake)
    parts = [line for index in range(3) for line in lines(tmp_path, f"p{index}.jsonl")]
    assert without_time(parts) == without_time(lines(alone))


def test_the_next_batch_is_announced(tmp_path: Path) -> None:
    class Ahead(Fake):
        seen: list[list[str]] = []  # noqa: RUF012

        def prefetch(self, batch: Sequence[loop.Request]) -> None:
            self.seen.append([request["id"] for request in batch])

    loop.run(config(tmp_path), Ahead)
    assert Ahead.seen == [["r0", "r1"], ["r3"]]


@pytest.mark.parametrize(
    ("requests", "journal", "message"),
    [
        ('{"id": "a"}\n{"id": "a"}\n', "", "requests.jsonl:2: the id 'a' occurs twice"),
        ('{"id": 1}\n', "", "requests.jsonl:1: the id must be a string"),
        ('{"id": "a"}\n[]\n', "", "requests.jsonl:2: not a JSON object with an `id`"),
        ('{"id": "a"}\n{"id"\n', "", "requests.jsonl:2: not a JSON object"),
        ('{"id": "a"}\n', '{"id": "b", "text": "x"}\n', "predictions.jsonl:1: 'b' is not among the requests"),
        ('{"id": "a"}\n', '{"id": "a"}\n{"id": "a"}\n', "predictions.jsonl:2: 'a' is answered twice"),
        ('{"id": "a"}\n', "nonsense\n", "predictions.jsonl:1: not a prediction"),
        ('{"id": "a"}\n', '{"id": []}\n', "predictions.jsonl:1: not a prediction"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, requests: str, journal: str, message: str) -> None:
    settings = config(tmp_path)
    (tmp_path / "requests.jsonl").write_text(requests)
    (tmp_path / "predictions.jsonl").write_text(journal)
    with pytest.raises(loop.BadInput) as caught:
        loop.run(settings, Fake)
    assert message in str(caught.value)
    assert (tmp_path / "predictions.jsonl").read_text() == journal


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    settings = config(tmp_path)
    journal = loop.Journal(settings["predictions"], {"r0"})
    with pytest.raises(loop.BadInput, match="another process is writing"):
        loop.run(settings, Fake)
    journal.close()
    assert loop.run(settings, Fake) == 0


def test_any_text_stays_on_its_line(tmp_path: Path) -> None:
    text = "a\u2028b\x85c\x0bd\ud800e\r\n\0"

    class Odd(Fake):
        def answer(self, batch: Sequence[loop.Request]) -> list[loop.Answer]:
            return [(text, "length") for _ in batch]

    settings = config(tmp_path)
    assert loop.run(settings, Odd) == 0
    assert [line["text"] for line in lines(tmp_path)] == [text] * 5
    assert loop.run(settings, Odd) == 0


def test_main_maps_bad_input_to_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(tmp_path)
    (tmp_path / "predictions.jsonl").write_text('{"id": "other"}\n')
    (tmp_path / "config.json").write_text(json.dumps(settings))
    monkeypatch.setattr(sys, "argv", ["runner.py", str(tmp_path / "config.json")])
    with pytest.raises(SystemExit) as ended:
        loop.main(lambda _: Fake())
    assert ended.value.code == loop.BAD_INPUT
    assert "belongs to another run" in capsys.readouterr().err


def test_nothing_from_outside_is_imported() -> None:
    source = Path(loop.__file__).read_text()
    imported = {line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))}
    imported = {name.split(".")[0] for name in imported if not name.startswith("orchestrator.inside.")}
    assert imported <= set(sys.stdlib_module_names)
