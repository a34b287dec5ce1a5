"""Kills: who, how, and in which stage."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from orchestrator.machine.processes import STAGE_MARK
from tests.chaos.table import CALM, add
from tests.chaos.world import Lab, World
from tests.running import attempt, wait_until

Strike = Callable[[World, "subprocess.Popen[bytes]"], None]


def watchdogs(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What the orchestrator started besides the toolkit."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):
                if STAGE_MARK not in child.environ():
                    found.append(child)
    return found


def kill(*processes: psutil.Process) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_both(world: World, process: subprocess.Popen[bytes]) -> None:
    """Whoever could end the toolkit goes first."""
    kill(*watchdogs(process))
    process.kill()


def kill_all(world: World, process: subprocess.Popen[bytes]) -> None:
    kill(*watchdogs(process), *world.processes())
    process.kill()


def signals(*numbers: signal.Signals, pause: float = 0.3) -> Strike:
    def strike(world: World, process: subprocess.Popen[bytes]) -> None:
        for number in numbers:
            if process.poll() is None:
                process.send_signal(number)
                time.sleep(pause)

    return strike


VICTIMS: dict[str, Strike] = {
    "kill -9 of the orchestrator": lambda world, process: process.kill(),
    "kill -9 of the toolkit": lambda world, process: kill(*world.processes()),
    "kill -9 of the watchdog": lambda world, process: kill(*watchdogs(process)),
    "kill -9 of orchestrator and watchdog": kill_both,
    "kill -9 of everything": kill_all,
    "SIGTERM": signals(signal.SIGTERM),
    "SIGINT twice": signals(signal.SIGINT, signal.SIGINT),
    "SIGINT five times at once": signals(*[signal.SIGINT] * 5, pause=0),
    "SIGTERM, then kill -9": signals(signal.SIGTERM, signal.SIGKILL, pause=0.05),
    "SIGHUP": signals(signal.SIGHUP),
    "SIGQUIT": signals(signal.SIGQUIT),
    "SIGSTOP for a second, then SIGCONT": signals(signal.SIGSTOP, signal.SIGCONT, pause=1),
}


def gone(world: World) -> None:
    wait_until(lambda: not world.processes(), 30)


def killed(lab: Lab, stage: str, victim: str, cwd: Path | None = None) -> None:
    world = lab.before(stage)
    with world.running(stage, **({"cwd": cwd} if cwd else {})) as process:
        VICTIMS[victim](world, process)
        code = process.wait(300)
    if code > 0:  # else by the signal itself, which a shell shows as 130 and the like
        assert code in (1, 130), world.said
        assert "Traceback" not in world.said, world.said
    if VICTIMS[victim] is kill_both:
        attempt("status", "--runs-dir", world.folder / "runs")  # it, or the next run, ends what is left
    else:
        gone(world)
    world.settles()


def killed_in_a_folder_with_a_package(lab: Lab) -> None:
    """The working directory holds a package of the same name."""
    package = lab.base / "elsewhere" / "orchestrator"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    killed(lab, "train", "kill -9 of the orchestrator", package.parent)


def killed_again_and_again(lab: Lab) -> None:
    """Every time as soon as it goes on."""
    world = lab.at("new")
    for stage in ("init", "train", "train", "infer", "infer", "infer"):
        with world.running(stage) as process:
            kill_all(world, process)
        gone(world)
    world.settles()


def left_running(lab: Lab, stage: str) -> None:
    """Orchestrator and watchdog are killed, the toolkit stands still: the next run ends it, and nobody writes twice."""
    world = lab.before(stage)
    with world.running(stage) as process:
        toolkit = world.processes()
        for one in toolkit:
            one.suspend()
        kill_both(world, process)
    world.settles()
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in toolkit)


_FAST = {(stage, "kill -9 of everything") for stage in ("init", "convert", "select", "infer", "score")} | {
    ("train", name) for name in VICTIMS if "-9 of" in name or name == "SIGINT five times at once"}  # fmt: skip
for _stage in ("init", "convert", "train", "select", "infer", "score"):
    for _victim in VICTIMS:
        if _stage in ("convert", "score") and "orchestrator" not in _victim and "everything" not in _victim:
            continue  # nothing else runs there
        _where = {"real": _stage in ("train", "infer"), "slow": (_stage, _victim) not in _FAST}
        add("kills", f"{_victim} in {_stage}", CALM, killed, _stage, _victim, **_where)
_words = "kill -9 of the orchestrator where the folder holds a package orchestrator"
add("kills", _words, CALM, killed_in_a_folder_with_a_package, real=True)
add("kills", "kill -9 of everything, six times", CALM, killed_again_and_again)
for _stage in ("train", "infer"):
    add(
        "kills",
        f"the toolkit outlives orchestrator and watchdog in {_stage}",
        CALM,
        left_running,
        _stage,
        real=True,
        slow=True,  # half a minute of grace
    )


def group_killed(lab: Lab) -> None:
    """As a scheduler does it: the whole session of the orchestrator."""
    world = lab.at("new")
    with world.running("train") as process:
        os.killpg(process.pid, signal.SIGKILL)
    gone(world)
    world.settles()


add("kills", "kill -9 of the orchestrator's process group", CALM, group_killed)
