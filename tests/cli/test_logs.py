"""``logs``: the newest log of what runs or ran, from stage to stage."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.cli import in_queue, logs
from orchestrator.cli.log_places import JobPlace
from orchestrator.cli.log_printer import Printer
from orchestrator.launch.slurm.submitted import Submitted, submitting, write_submitted
from orchestrator.machine.leases import Lease, take
from tests.cli.conftest import Clock, Sized
from tests.cli.slurm import make_slurm
from tests.cli.test_in_queue import EARLIER, LATER, WHEN, stage
from tests.running import call, wait_until
from tests.shared import ROOT


def log(folder: Path, job: str, kind: str, text: str, age: float = 0.0) -> Path:
    path = folder / job / f"{kind}-0" / "log.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A run of two jobs; of the second an inference was the last."""
    folder = tmp_path / "runs" / "mine"
    for job, kind, at, age in (
        ("demo", "train", EARLIER, 90),
        ("MELD", "train", EARLIER, 60),
        ("MELD", "infer", LATER, 30),
    ):
        stage(folder, job, kind, "running", at)
        log(folder, job, kind, f"{job} {kind} 1\n 10%\r 20%\r{job} {kind} 2\n", age)
    return folder


def said(folder: Path, *words: object, code: int = 0) -> str:
    return call("logs", "mine", *words, "--runs-dir", folder.parent, code=code)


def test_of_a_run_that_is_over_the_newest(mine: Path) -> None:
    assert said(mine) == f"==> {mine}/MELD/infer-0/log.txt\nMELD infer 1\nMELD infer 2\n"
    assert said(mine, "--lines", 1).endswith("log.txt\nMELD infer 2\n")
    assert said(mine, "demo") == f"==> {mine}/demo/train-0/log.txt\ndemo train 1\ndemo train 2\n"
    assert said(mine, "MELD/train").endswith("MELD train 2\n")
    assert said(mine, "MELD", "--follow").endswith("MELD infer 2\nnothing of mine MELD runs\n")


def test_of_jobs_that_run_each_behind_its_name(mine: Path) -> None:
    taken = [take(mine / job) for job in ("demo", "MELD")]
    out = said(mine)
    for lease in taken:
        assert isinstance(lease, Lease)
        lease.release()
    lines = [line for line in out.splitlines() if not line.startswith("==>")]
    assert lines == ["MELD | MELD infer 1", "MELD | MELD infer 2", "demo | demo train 1", "demo | demo train 2"]


def test_the_output_of_a_slurm_job_where_no_stage_runs(mine: Path) -> None:
    with submitting(mine):
        write_submitted(mine, {"demo": Submitted("7_0", WHEN, "7.sh", "7_0.log", "")})
    output = mine / "slurm" / "7_0.log"
    place = JobPlace(mine, "demo", "7_0", output)
    assert place.log() == mine / "demo" / "train-0" / "log.txt"
    output.parent.mkdir()
    output.write_text("module: command not found\n")
    assert place.log() == output
    assert place.log("train") == mine / "demo" / "train-0" / "log.txt"
    assert said(mine) == f"==> {output}\nmodule: command not found\n"
    lease = take(mine / "demo")
    assert isinstance(lease, Lease)
    assert place.log() == mine / "demo" / "train-0" / "log.txt", "the stage that runs"
    lease.release()


def test_what_there_is_not(mine: Path) -> None:
    assert "did you mean `MELD`?" in said(mine, "MELDD", code=2)
    assert "mine MELD/score has no log yet" in said(mine, "MELD/score", code=2)
    assert "did you mean `mine`?" in call("logs", "mien", "--runs-dir", mine.parent, code=2)


def test_it_is_followed_from_stage_to_stage_until_it_ends(mine: Path) -> None:
    lease = take(mine / "MELD")
    assert isinstance(lease, Lease)
    out = mine.parent / "said.txt"
    words = ["logs", "mine", "MELD", "--follow", "--lines", "1", "--runs-dir", str(mine.parent)]
    with (
        out.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words], cwd=ROOT, stdout=file, stderr=file
        ) as follower,
    ):
        try:
            wait_until(lambda: "MELD infer 2" in out.read_text())
            (mine / "MELD" / "infer-0" / "log.txt").open("a").write("the last line\n")
            stage(mine, "MELD", "infer", "done", LATER)
            stage(mine, "MELD", "merge", "running", "2026-01-01T10:00:09+00:00")
            log(mine, "MELD", "merge", "merges\n")
            wait_until(lambda: "merges" in out.read_text())
            stage(mine, "MELD", "merge", "done", "2026-01-01T10:00:09+00:00")
            stage(mine, "MELD", "score", "done", "2026-01-01T10:00:19+00:00")
            lease.release()
            assert follower.wait(30) == 0
        finally:
            follower.kill()
    lines = [line for line in out.read_text().splitlines() if not line.startswith("==>")]
    assert lines == ["MELD infer 2", "the last line", "merges"]


def test_a_job_that_waits_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm, folder = make_slurm(tmp_path / "slurm", monkeypatch), tmp_path / "runs" / "mine"
    with submitting(folder):
        write_submitted(folder, {"demo": Submitted("7_0", WHEN, "7.sh", "7_0.log", "")})
    slurm.says("7_0|PENDING|Priority|N/A||1:00")
    looks = iter(range(3))

    def sleep(_: float) -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    # the module's own alone: subprocess sleeps, too
    monkeypatch.setattr(logs, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    assert said(folder, "--follow") == "demo: Slurm job 7_0 waits behind jobs that come before it (Priority)\n"


def test_it_is_followed_on_where_slurm_does_not_answer_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm, folder = make_slurm(tmp_path / "slurm", monkeypatch), tmp_path / "runs" / "mine"
    with submitting(folder):
        write_submitted(folder, {"demo": Submitted("7_0", WHEN, "7.sh", "7_0.log", "")})
    slurm.says("7_0|PENDING|Priority|N/A||1:00")
    squeue = slurm.folder / "squeue"
    squeue.write_text(f"{squeue.read_text()}[ $(wc -l < {slurm.folder}/asked) -eq 1 ] || exit 1\n")
    now = iter(range(0, 1000, 4))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 5:
            raise KeyboardInterrupt

    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: float(next(now)))
    monkeypatch.setattr(logs, "time", clock)
    monkeypatch.setattr(in_queue, "ASK_SECONDS", 0.0)
    said(folder, "--follow")
    assert len(slurm.asked) > 1
    assert len(slept) == 5, "the job waits as it did"


def test_a_progress_bar_moves_on_a_terminal(terminal: Sized) -> None:
    screen = terminal(width=11)
    printer = Printer([""])
    printer.state("", "10%")
    printer.state("", "10%")
    printer.state("", "20% of a long line")
    printer.lines("", ["done"])
    printer.state("", "")
    printer.close()
    assert screen.taken() == "10%\r\x1b[K20%...line\r\x1b[Kdone\n"


def test_elsewhere_a_bar_is_told_now_and_then(watch: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(["a", "long"])
    for state, later in (("10%", 0), ("20%", 5), ("30%", 40), ("30%", 40)):
        watch.now += later
        printer.state("a", state)
    assert capsys.readouterr().out == "a    | 10%\na    | 30%\n"
