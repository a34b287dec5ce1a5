"""The parts' order, choice and time limit; and some of them on the toolkit that counts in place of computing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import echo
from tests.gpu_check import __main__ as gpu_check
from tests.gpu_check import kits, large, page, parts, runs
from tests.gpu_check.kits import Bench, Kit
from tests.gpu_check.weights import difference, tensors


def test_every_part_is_there_and_short_words_choose() -> None:
    known = gpu_check.all_parts()
    assert len(set(known)) == len(known) == 4 * len(parts.TABLE) + len(large.TABLE)
    assert not parts.TABLE.keys() & large.TABLE.keys()
    assert known[:2] == ["llamafactory/environment", "llava_next/environment"]
    assert gpu_check.chosen(["swift/sft", "zero3"]) == ["swift/sft", *(f"{kit}/zero3" for kit in kits.KITS)]
    assert {name.split("/")[0] for name in gpu_check.chosen(["llava_next"])} == {"llava_next"}
    assert gpu_check.chosen([]) == known
    with pytest.raises(SystemExit, match="no part `sfft`; there are: llamafactory/environment, "):
        gpu_check.chosen(["sfft"])


def test_where_the_page_goes_and_that_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="say where the page goes"):
        gpu_check.main(["--device", "cpu"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SystemExit, match="no GPU can be seen here"):
        gpu_check.main([])


# a part that has seen something, and then hangs with a child that does not heed SIGTERM
HANGS = """
import json, pathlib, subprocess, sys, time
work = pathlib.Path(sys.argv[1])
(work / "record.json").write_text(json.dumps({"state": "too slow", "figures": {"rate": "3/s"}, "said": ""}))
(work / "parts").mkdir()
(work / "parts" / "said.txt").write_text("one\\ntwo\\n")
code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
(work / "child").write_text(str(child.pid))
time.sleep(60)
"""


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_part_is_ended_at_the_time_limit_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "argv_of", lambda name, bench: [sys.executable, "-c", HANGS, str(bench.folder)])
    monkeypatch.setattr(gpu_check, "GRACE", 0.5)
    record = gpu_check.limited("a/b", Bench("cpu", tmp_path), 1.5 / 60)
    assert (record.part, record.state, record.figures) == ("a/b", "too slow", {"rate": "3/s"})
    assert record.said == "it was ended after 0.025 minutes; the end of parts/said.txt:\none\ntwo"
    end = time.monotonic() + 10
    while alive(pid := int((tmp_path / "child").read_text())) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def test_a_part_whose_process_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "argv_of", lambda name, bench: [sys.executable, "-c", "raise SystemExit(3)"])
    (tmp_path / "record.json").write_text('{"state": "ok"}')  # of the part before
    record = gpu_check.limited("a/b", Bench("cpu", tmp_path), 1)
    assert (record.state, record.said) == ("failed", "its process ended with status 3")


@pytest.mark.parametrize(("end", "status"), [("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_a_part_that_dies_at_work_failed_and_was_not_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, status: int
) -> None:
    program = f"import os, pathlib; pathlib.Path({str(tmp_path / 'record.json')!r}).write_text("
    program += f"""'{{"state": "too slow", "figures": {{"rate": "3/s"}}, "said": ""}}'); {end}"""
    monkeypatch.setattr(gpu_check, "argv_of", lambda name, bench: [sys.executable, "-c", program])
    record = gpu_check.limited("a/b", Bench("cpu", tmp_path), 1)
    assert (record.state, record.said) == ("failed", f"its process ended with status {status}")
    assert record.figures == {"rate": "3/s"}


def weights(folder: Path, numbers: np.ndarray, kind: str) -> Path:
    folder.mkdir()
    header = json.dumps({"a": {"dtype": kind, "shape": [2], "data_offsets": [0, numbers.nbytes]}}).encode()
    (folder / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + numbers.tobytes())
    return folder


def test_weights_are_compared(tmp_path: Path) -> None:
    one = weights(tmp_path / "one", np.array([1, -2], "<f4"), "F32")
    half = weights(tmp_path / "half", np.array([0x3F80, 0xC000], "<u2"), "BF16")
    other = weights(tmp_path / "other", np.array([1, -2.5], "<f4"), "F32")
    assert tensors(half / "adapter_model.safetensors")["a"].tolist() == [1, -2]
    assert difference(one, half) == "yes, to the bit"
    assert difference(one, other) == "no: 1 of 1 tensors differ, by 0.5 at most where weights are up to 2"


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    """The toolkit ``echo`` as one to check."""
    monkeypatch.setattr(runs, "PROGRAM", "tests.echo")
    model = {"init": {"config": {"model_type": "echo"}}, "type": "LLM"}
    kit = Kit("echo", lambda folder, bench: model, train={"epochs": 1, "max_steps": None})
    monkeypatch.setitem(kits.KITS, "echo", kit)
    echo.register()
    yield kit
    echo.unregister()


def seen(part: str, tmp_path: Path) -> dict[str, Any]:
    gpu_check.do(f"echo/{part}", Bench("cpu", tmp_path), tmp_path / "record.json")
    found: dict[str, Any] = json.loads((tmp_path / "record.json").read_text())
    return found


def test_parts_on_a_toolkit_that_counts(counting: Kit, tmp_path: Path) -> None:
    found = seen("zero_shot", tmp_path)
    assert (found["state"], found["said"]) == ("ok", "")
    assert found["figures"]["requests"].startswith("24 in ")
    found = seen("sft", tmp_path)
    assert (found["state"], found["said"]) == ("ok", "")
    assert found["figures"]["training"].endswith("its log names no speed")
    assert found["figures"]["answered"].startswith("12 requests")


def test_runs_of_another_recipe_are_removed(tmp_path: Path) -> None:
    first = runs.write({"method": "sft"}, tmp_path / "a")
    (tmp_path / "a" / "runs").mkdir()
    assert runs.write({"method": "sft"}, tmp_path / "a") == first
    assert (tmp_path / "a" / "runs").exists()
    runs.write({"method": "it"}, tmp_path / "a")
    assert {file.name for file in (tmp_path / "a").iterdir()} == {"check.yaml", "short.j2"}


@pytest.mark.long
def test_the_releases_way_and_ours(counting: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(large.SHAPES, "echo", {"title": "Echo-7B", "toolkit": "echo", "batch": 8})
    model = {"name": "Echo", "toolkit": "echo", "type": "LLM", "init": {"config": {"model_type": "echo"}}}
    monkeypatch.setattr(large, "made", lambda name, bench: model)
    found = dict(large._ways("echo")(Bench("cpu", tmp_path)))
    # it says of each answer that it took half a second
    assert found["one by one, a load per task"].endswith("s for 3 loads; 2.00/s without")
    assert found["batches of 8, one load"].endswith("s for 1 load; 2.00/s without")
    assert found["answers equal"] == "yes, all 12 (1 distinct)"
    assert "computed from these" not in found, "of a stand-in"
    found = dict(large._batches("echo")(Bench("cpu", tmp_path)))
    assert found["answers of batch 8 equal those of the smallest"] == "yes, all 12 (1 distinct)"
    found = seen("batches", tmp_path)["figures"]
    assert found["answers of batch 8 equal those one by one"] == "yes, all 12 (1 distinct)"


def test_the_whole_benchmark_is_computed_from_a_load_and_a_request() -> None:
    # 12 loads of 300 s and 15,713 requests of 1 s; one load and the same in batches, 0.1 s each
    expected = "5.36 h one by one, 0.52 h in batches: 10.3 times as fast"
    assert large.projected((300, 1), (300, 0.1)) == f"all 15,713 test requests of the 12 tasks would take {expected}"


@pytest.mark.parametrize("name", large.SHAPES)
def test_a_stand_in_differs_from_the_published_shape_in_its_numbers_alone(name: str) -> None:
    shape = large.SHAPES[name]
    config = large.merged(shape["config"], shape["small"])

    def keys(content: dict[str, Any]) -> dict[str, Any]:
        return {key: keys(value) if isinstance(value, dict) else 0 for key, value in content.items()}

    assert keys(config) == keys(shape["config"])
    text = config.get("text_config", config)
    assert (text["hidden_size"], text["num_hidden_layers"]) == (64, 2)
    published = shape["config"].get("text_config", shape["config"])
    assert (published["hidden_size"], published["num_hidden_layers"], published["vocab_size"]) == (3584, 28, 152064)


def test_a_part_that_fails_says_why(counting: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_DO", "fail:infer")
    found = seen("zero_shot", tmp_path)
    assert found["state"] == "failed"
    assert found["said"].startswith("`python -m orchestrator run` ended with status 1:\n")
    assert "fails at 1 as asked" in found["said"]
    assert seen("zero2", tmp_path)["state"] == "failed"  # not known to this toolkit
    monkeypatch.setattr(parts, "TABLE", {"zero_shot": lambda kit, bench: 1 / 0})
    assert "ZeroDivisionError" in seen("zero_shot", tmp_path)["said"]


def test_the_page_is_written_after_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["ok", "failed"])
    monkeypatch.setattr(gpu_check, "limited", lambda name, bench, minutes: page.Record(name, "", next(states)))
    out = tmp_path / "page.md"
    assert gpu_check.main(["--device", "cpu", "--out", str(out), "--only", "swift/sft", "--only", "swift/zero2"]) == 1
    assert [(one.part, one.state) for one in page.read(out).records] == [("swift/sft", "ok"), ("swift/zero2", "failed")]
    assert "In small, on a CPU" in out.read_text()
    words = ["--device", "cpu", "--out", str(tmp_path / "other.md"), "--only", "swift", "--stop-after", "-1"]
    assert gpu_check.main(words) == 0  # no part is begun
    assert not (tmp_path / "other.md").exists()
