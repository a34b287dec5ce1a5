"""The place that is disturbed, and what a calm run over the same data came to.

Everything happens in one folder, which is put back from a copy for each disturbance: so all paths are those of the calm
run, and what a stopped run leaves is made once.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from orchestrator.data.demo import write_demo_data
from orchestrator.errors import InputError
from orchestrator.machine.processes import STAGE_MARK
from orchestrator.scores.answer_file import answers_path, read_answers
from orchestrator.scores.results import SECONDS
from tests.media import write_video
from tests.recipes import write_rows
from tests.running import arguments, attempt, environment, listening, wait_until
from tests.shared import ROOT

VOLATILE = ("run_id", *SECONDS, "created_at", "git_commit")
ECHO = """\
description: a test
model: {{name: Echo, toolkit: echo, type: {type}, params_b: 0.001, init: {{config: {{model_type: echo}}}}}}
train: {{finetuning: full, epochs: 1, batch_size: {batch}, micro_batch_size: {batch}, save_steps: 4}}
select: {{strategy: dev_accuracy}}
resources: {{device: cpu}}
"""
TINY = (
    f"extends: {ROOT}/recipes/_base/tiny_qwen2.yaml\n"
    + """\
train: {epochs: 2, batch_size: 4, micro_batch_size: 4, save_steps: 10, learning_rate: 1e-3}
select: {strategy: best_eval}
inference: {batch_size: 4}
"""
)


@dataclass(frozen=True)
class Kind:
    """What is run: the recipe without its name and data, the program, how slow each step of the toolkit is made."""

    recipe: str
    program: str
    sizes: tuple[int, int, int]
    seconds: float | None


KINDS = {
    "echo": Kind(ECHO.format(type="LLM", batch=4), "tests.echo", (40, 8, 16), 0.03),
    "videos": Kind(ECHO.format(type="MLLM", batch=1), "tests.echo", (6, 4, 6), 0.03),
    "llamafactory": Kind(TINY, "orchestrator", (64, 8, 32), None),
}


def write_clips(root: Path, sizes: tuple[int, int, int]) -> None:
    """The demo's data with a clip to each utterance."""
    write_demo_data(root, sizes=sizes)
    (root / "Demo" / "video").mkdir()
    for file in (root / "Demo").glob("*.tsv"):
        rows = list(csv.reader(file.open(), delimiter="\t"))[1:]
        clips = [write_video(root / "Demo" / "video" / f"{row[0]}.mp4", seed) for seed, row in enumerate(rows)]
        write_rows(file, [(row[0], clip.name, *row[2:]) for row, clip in zip(rows, clips, strict=True)])


class Untried(Exception):
    """This machine cannot do the disturbance."""


@dataclass
class World:
    """A recipe, its data, its runs and its results in one folder; ``calm`` is what a calm run came to."""

    folder: Path
    kind: Kind
    calm: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "results" / "chaos.csv"

    def argv(self, *more: object) -> list[str]:
        """The words of the command ``run``."""
        given = [*arguments(self.recipe, self.folder), "--results-dir", self.results.parent, *more]
        return list(map(str, given))

    def split(self, name: str) -> Path:
        return self.folder / "data" / "Demo" / f"{name}.tsv"

    def stages(self, kind: str) -> list[Path]:
        return sorted((self.folder / "runs").glob(f"*/*/{kind}-*"))

    def stage(self, kind: str) -> Path:
        (found,) = self.stages(kind)
        return found

    def state(self, kind: str) -> str:
        """What the record of a stage says of it, e.g. ``done``."""
        return str(json.loads((self.stage(kind) / "stage.json").read_text())["state"])

    def processes(self) -> list[psutil.Process]:
        """All that any run in this folder has running in stages."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(STAGE_MARK, "").startswith(str(self.folder.resolve()) + os.sep):
                    found.append(process)
        return found

    def run(self, *more: object, do: str = "") -> tuple[int, str]:
        """The command in this process: its status, and what it says."""
        code, said = attempt(*self.argv(*more), do=do)
        if code == 130:  # nobody here stops it
            raise KeyboardInterrupt
        return code, said

    def shell(self, line: str, *more: object, cwd: Path | None = None) -> tuple[int, str]:
        """The command as a line of bash has it: ``"$@"`` is the command; the folder of the package is not the cwd."""
        words = [sys.executable, "-P", "-m", self.kind.program, *self.argv(*more)]
        env = environment() | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}", "-", *words], cwd=cwd or self.folder,
                              capture_output=True, env=env, check=False)  # fmt: skip
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")

    def start(self, kind: str = "", *more: object, cwd: Path = ROOT, slower: int = 1) -> subprocess.Popen[bytes]:
        """A run in a process of its own; a kind of stage can be slowed down where the toolkit is too fast."""
        slow = "infer" if kind == "select" else kind
        do = f"slow:{slow}={self.kind.seconds * slower}" if slow and self.kind.seconds else ""
        argv = [sys.executable, "-P", "-m", self.kind.program, *self.argv(*more)]
        env = environment(do) | {"PYTHONPATH": str(ROOT)}
        with (self.folder / "said.txt").open("wb") as said:
            return subprocess.Popen(argv, cwd=cwd, env=env, stdout=said, stderr=said, start_new_session=True,
                                    preexec_fn=listening())  # fmt: skip

    @contextlib.contextmanager
    def running(self, kind: str, *more: object, cwd: Path = ROOT, slower: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        """A run in a process of its own that has come to a kind of stage; it is waited for, or killed on a fault."""
        process = self.start(kind, *more, cwd=cwd, slower=slower)
        try:
            wait_until(lambda: process.poll() is not None or self._reached(kind), 300)
            assert process.poll() is None, f"it ended before {kind}:\n{self.said}"
            yield process
            process.wait(300)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text("utf-8", "replace")

    def _reached(self, kind: str) -> bool:
        """A training has two checkpoints, an inference five answers; of others a process is there."""
        for stage in self.stages(kind):
            if kind == "train":
                return len(list(stage.glob("output/checkpoint-*/trainer_state.json"))) >= 2
            if kind == "infer":
                journal = stage / "predictions.jsonl"
                return journal.exists() and journal.read_bytes().count(b"\n") >= 5
            if kind in ("convert", "score"):
                return True
            return bool(self.processes())
        return False

    @contextlib.contextmanager
    def held(self, kind: str, *more: object) -> Iterator[subprocess.Popen[bytes]]:
        """What is done in this context is done while the stage stands still; the run then goes on to its end."""
        with self.running(kind, *more) as process:
            still = self.processes()
            for one in still:
                one.suspend()
            yield process
            for one in still:
                one.resume()
            self.code = process.wait(300)

    def stop(self, kind: str, slower: int = 1) -> None:
        """A run that was stopped in a kind of stage."""
        with self.running(kind, slower=slower) as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 130, self.said

    def result(self) -> dict[str, Any]:
        """What a run came to, by file: the rows but for times, their answers, each request's, what was selected."""
        found: dict[str, Any] = {}
        if self.results.exists():
            with self.results.open(newline="", encoding="utf-8-sig") as file:
                rows = [{k: v for k, v in row.items() if k not in VOLATILE} for row in csv.DictReader(file)]
            found["rows"] = rows
            with contextlib.suppress(InputError):
                found["answers"] = read_answers(answers_path(self.results))
        runs = self.folder / "runs"
        for path in runs.glob("*/*/infer-*/predictions.jsonl"):
            found[str(path.relative_to(runs))] = sorted(set(map(_answer, path.read_bytes().splitlines())))
        for path in runs.glob("*/*/select-*/stage.json"):
            found[str(path.relative_to(runs))] = json.loads(path.read_text())["outputs"]
        return found

    def same(self) -> None:
        """The rows, the answers and the selection are a calm run's; nothing is left running or lies about.

        Raises:
            AssertionError: they are not.
        """
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.processes(), 10)
        assert not (left := self.processes()), f"left running: {left}"
        found = self.result()
        for name, value in self.calm.items():
            assert name in found, f"{name} is not there"
            if name == "rows":  # a column of one's own may stay
                found[name] = [{key: row.get(key) for key in value[0]} for row in found[name]]
            assert found[name] == value, difference(name, value, found[name])
        assert not (left_over := list(self.folder.glob("**/.*.tmp"))), f"left over: {left_over}"

    def settles(self, back: Callable[[], object] | None = None, *more: object, said: str = "") -> str:
        """The same command comes to a calm run's results; where it stops, it says so, and does once it was obeyed.

        Args:
            back: removes the cause, as a user would who was told of it.
            more: further words of the command.
            said: what the first command must say (a pattern).

        Returns:
            What it said.

        Raises:
            AssertionError: it does not.
        """
        code, told = self.run(*more)
        if code:
            understandable(told, code)
            obey(told, self.folder)
            if back:
                back()
            code, later = self.run()
            assert code == 0, f"it was told:\n{told}\nand after that:\n{later}"
            told += later
        elif back:
            back()
            code, later = self.run()
            assert code == 0, later
        assert re.search(said, told), f"it does not say `{said}`:\n{told}"
        self.same()
        return told


def _answer(line: bytes) -> tuple[str, str]:
    """A request's id and the answer to it, as a journal's line has them."""
    try:
        record = json.loads(line)
        return str(record["id"]), str(record.get("text", "(error)"))
    except (ValueError, TypeError, KeyError):
        return "(damaged)", repr(line)


def difference(name: str, calm: Any, found: Any) -> str:
    """A calm run's value and another's, where they differ."""
    if isinstance(calm, list) and isinstance(found, list) and calm and isinstance(calm[0], dict):
        pairs = [(k, a[k], b.get(k)) for a, b in zip(calm, found, strict=False) for k in a if a[k] != b.get(k)]
        return f"{name}, {len(calm)} and {len(found)} rows: {pairs[:6]}"
    if isinstance(calm, list) and isinstance(found, list):
        lost, new = [x for x in calm if x not in found], [x for x in found if x not in calm]
        return f"{name}: {len(lost)} of {len(calm)} are missing or other, as {lost[:2]}; found: {new[:2]}"
    return f"{name}: {calm} is now {found}"


ADVICE = r"    (?!whole log|- |\| )|.*(what to do|rm -r |delete |the same command|free some|give |wait for)"
DELETE = re.compile(r"\b(?:rm(?: -rf?)?|delete) (/\S+?|th(?:at|is) \w+)(?=[,;.:)`]?(?:\s|$))")


def understandable(said: str, code: int, *, hint: bool = True) -> None:
    """What a user is told: status 1 or 2, no traceback (but in the end of a toolkit's log), and what to do.

    Raises:
        AssertionError: it is none of that.
    """
    assert code in (1, 2), f"status {code}:\n{said}"
    own = [line for line in said.splitlines() if not line.startswith("    | ")]
    assert not any("Traceback" in line for line in own), said
    assert not hint or any(re.match(ADVICE, line) for line in own), f"it does not say what to do:\n{said}"


def obey(said: str, folder: Path) -> None:
    """Delete the files and folders that a message asks to delete; all must lie in this folder."""
    for found in DELETE.finditer(said):
        before = re.findall(r"(/\S+?)(?=(?::\d+)?[,;:]?(?:\s|$))", said[: found.start()])
        path = Path(found[1] if found[1].startswith("/") else before[-1])
        assert path.is_relative_to(folder), path
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class Lab:
    """Makes the place that is disturbed: new, stopped in train, selected, stopped in infer, or done."""

    def __init__(
        self,
        name: str,
        base: Path,
        tasks: str = "[demo]",
        write: Callable[[Path], object] | None = None,
        limit: int | None = None,
    ):
        self.name, self.base, self.kind, self.tasks = name, base, KINDS[name], tasks
        self.write = write or (lambda root: (write_clips if name == "videos" else _demo)(root, self.kind.sizes))
        self.limit = f", limit: {limit}" if limit else ""
        self.calm: dict[str, Any] = {}
        self.seconds = 0.0

    def of(self, name: str) -> Lab:
        """A lab for another kind of run, beside this one."""
        self.others = getattr(self, "others", {})
        return self.others.setdefault(name, Lab(name, self.base / name))

    def at(self, state: str) -> World:
        """The place as it is in a state: new, train, infer (stopped there) or done."""
        kept = self.base / state
        if not kept.exists():
            self._make(state)
        world = World(self.base / "world", self.kind, self.calm)
        shutil.rmtree(world.folder, ignore_errors=True)
        shutil.copytree(kept, world.folder, symlinks=True)
        return world

    def _make(self, state: str) -> None:
        folder = self.base / "world"
        shutil.rmtree(folder, ignore_errors=True)
        if state == "new":
            folder.mkdir(parents=True)
            self.write(folder / "data")
            recipe = f"name: chaos\nmethod: sft\ntasks: {self.tasks}\ndata: {{root: {folder}/data{self.limit}}}\n"
            (folder / "recipe.yaml").write_text(recipe + self.kind.recipe)
        elif state == "done":
            world, begun = self.at("new"), time.monotonic()
            code, said = world.run()
            assert code == 0, said
            self.seconds = time.monotonic() - begun
            self.calm |= world.result()
        elif state == "selected":
            world = self.at("infer")
            shutil.rmtree(world.stage("infer"))
        else:
            self.at("done")  # the calm run is the first
            for slower in (1, 10, 100):  # on a busy machine the signal may come after the stage's end
                world = self.at("new" if state == "train" else "train")
                world.stop(state, slower)
                if world.state(state) != "done":
                    break
            else:
                raise AssertionError(f"{state} was over each time before it could be stopped")
        shutil.copytree(folder, self.base / state, symlinks=True)

    def before(self, kind: str) -> World:
        """The place just before a kind of stage, or earlier."""
        return self.at("selected" if kind in ("infer", "score") else "new")


def _demo(root: Path, sizes: tuple[int, int, int]) -> None:
    write_demo_data(root, sizes=sizes)


def quoted(path: Path) -> str:
    """For a line of bash."""
    return shlex.quote(str(path))
