"""What several inference processes wrote becomes one journal, however many there were and whenever they stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inside import loop
from orchestrator.run import journals
from orchestrator.toolkits.base import Progress


class Echo:
    """Answers with the prompt; stops like a killed process after so many batches."""

    def __init__(self, batches: int = 10**6) -> None:
        self.left = batches

    def length(self, request: loop.Request) -> int:
        return len(request["prompt"])

    def answer(self, batch: Any) -> list[loop.Answer]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return [(request["prompt"], "stop") for request in batch]


def attempt(folder: Path, processes: int, batches: int) -> None:
    """A launch as the orchestrator makes it, whose processes are killed after so many batches."""
    journals.join(folder)
    for number in range(processes):
        config: dict[str, Any] = {"requests": str(folder / "requests.jsonl"), "batch_size": 3}
        config["predictions"] = str(folder / "predictions.jsonl")
        if processes > 1:
            config["answered"] = config["predictions"]
            config |= {"shard": [number, processes], "predictions": str(folder / f"predictions.{number}.jsonl")}
        try:
            loop.run(config, lambda: Echo(batches))
        except KeyboardInterrupt:
            with Path(config["predictions"]).open("a") as file:
                file.write('{"id": "half a li')


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=5), st.integers(1, 25))
def test_every_request_is_answered_once(tmp_path_factory: Any, attempts: list[tuple[int, int]], count: int) -> None:
    folder = tmp_path_factory.mktemp("journals")
    requests = [{"id": f"r{number}", "prompt": "x" * (number % 5)} for number in range(count)]
    (folder / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    for processes, batches in [*attempts, (2, 10**6)]:
        attempt(folder, processes, batches)
    progress = journals.JournalProgress(folder, count)()
    assert progress == Progress(count, count)
    journals.join(folder)
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert sorted(line["id"] for line in lines) == sorted(request["id"] for request in requests)
    assert {line["id"]: line["text"] for line in lines} == {line["id"]: line["prompt"] for line in requests}
    assert {path.name for path in folder.iterdir()} == {"requests.jsonl", "predictions.jsonl"}


def test_errors_alone_are_asked_again(tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text('{"id": "a", "error": "no folder"}\n')
    (tmp_path / "predictions.0.jsonl").write_text('{"id": "a", "text": "yes"}\n{"id": "b", "error": "bad"}\n')
    journals.join(tmp_path)
    assert (tmp_path / "predictions.jsonl").read_text() == '{"id": "a", "text": "yes"}\n{"id": "b", "error": "bad"}\n'


class Broken(Echo):
    """A process whose GPU gives nothing but errors."""

    def answer(self, batch: Any) -> list[loop.Answer]:
        return [ValueError("garbage") for _ in batch]


def shard(folder: Path, number: int, answerer: Callable[[], Echo]) -> int:
    config = {"requests": str(folder / "requests.jsonl"), "batch_size": 3, "shard": [number, 2],
              "predictions": str(folder / f"predictions.{number}.jsonl"),
              "answered": str(folder / "predictions.jsonl")}  # fmt: skip
    return loop.run(config, answerer)


def test_a_process_that_fails_whole_fails_the_run_and_is_asked_again_once(tmp_path: Path) -> None:
    requests = [{"id": f"r{number}", "prompt": "x"} for number in range(12)]
    (tmp_path / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    assert shard(tmp_path, 0, Broken) == loop.ALL_FAILED
    assert shard(tmp_path, 1, Echo) == 0
    journals.join(tmp_path)
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 6
    # the requests themselves are bad: now their errors stay, or the run would never end
    assert [shard(tmp_path, 0, Broken), shard(tmp_path, 1, Broken)] == [0, 0]
    journals.join(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert (len(lines), sum("error" in line for line in lines)) == (12, 6)


def test_a_byte_order_mark_is_damage_that_is_mended(tmp_path: Path) -> None:
    lines = [json.dumps({"id": name, "text": "yes"}) for name in "ab"]
    (tmp_path / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8-sig")
    said: list[str] = []
    assert journals.join(tmp_path, {"a", "b"}, said.append) == 1
    assert (tmp_path / "predictions.jsonl").read_text() == f"{lines[1]}\n"
    assert said == ["1 damaged lines of predictions.jsonl are left out, and what they answered is asked again"]
