"""Starting processes: the only module that does. One log per stage, nothing left running, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from orchestrator.environments.environment import Environment
from orchestrator.errors import OrchestratorError, StageError, harmless, masked
from orchestrator.launch import diagnose
from orchestrator.launch.slurm import nodes
from orchestrator.machine import processes
from orchestrator.machine.environ import clean_environment
from orchestrator.machine.files import atomic_write
from orchestrator.machine.logs import LOG, last_lines
from orchestrator.machine.signals import NEVER, Stop
from orchestrator.toolkits.base import Command, Say, ignore
from orchestrator.toolkits.services import addresses, variables_of

POLL_SECONDS = 0.1
REPORT_SECONDS = 0.5
WAIT_SECONDS = 10.0  # for the status of a process that has ended
SCARCE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # errors that say nothing about a program
TERMINATED = (-signal.SIGTERM, 128 + signal.SIGTERM)
# of a failed process's log
SHOWN_LINES, SEARCHED_LINES = 15, 200


class Launcher:
    """Starts the processes of one run, from as many threads as stages run at once, and sees that none outlives it."""

    def __init__(self, grace: float = processes.GRACE) -> None:
        """``grace``: seconds that processes have to finish what they write when this one is killed."""
        self.run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:6]}"
        self._grace = grace
        self._watching = threading.Lock()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._told: set[str] = set()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._watchdog:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._watchdog.communicate(timeout=60)
            self._watchdog.kill()  # one that somebody halted

    def _watch(self) -> None:
        """Have a watchdog; another where somebody ended it."""
        try:
            with self._watching:
                if self._watchdog is None or self._watchdog.poll() is not None:
                    self._watchdog = processes.start_watchdog(self.run_id, self._grace)
        except OSError as error:
            raise StageError(
                f"the process that ends what a killed run leaves does not start: {error.strerror}\n"
                f"    see whether {sys.executable} starts, and what `ulimit -a` says of memory and processes"
            ) from None

    def variables(self, folder: Path, command: Command, bin_folder: Path) -> dict[str, str]:
        """The environment of a stage's process: the user's, the toolkit's programs first, and our marks.

        Of the user's secrets those of the services that it speaks to.
        """
        env = clean_environment(*command.unset, needed=variables_of(command.services))
        env["PATH"] = f"{bin_folder}{os.pathsep}{env.get('PATH', os.defpath)}"
        return env | dict(command.env) | {processes.RUN_MARK: self.run_id, processes.STAGE_MARK: str(folder.resolve())}

    def _tell_addresses(self, command: Command, env: Mapping[str, str], say: Say) -> None:
        """Say where the user's keys go, before anything is asked there; once in a run."""
        for line in addresses(command.services, env):
            if line not in self._told:
                self._told.add(line)
                say(line)

    def end_leftovers(
        self,
        folder: Path,
        grace: float = processes.GRACE,
        say: Say = ignore,
        stop: Stop = NEVER,
        *,
        apart: bool = False,
    ) -> int:
        """End what runs in a stage's folder, or was left running by an earlier run that was killed.

        Args:
            folder: the stage's.
            grace: seconds that each process has to finish what it writes.
            say: told when that is waited for.
            stop: asked a second time, it ends all at once.
            apart: on the other nodes of this allocation, too.
        """

        def waiting() -> None:
            what = f"waiting up to {grace:g} s for {folder.name} to finish what it writes"
            say(f"{what} (resources.stop_grace_seconds); Ctrl-C ends it at once")

        mark = (processes.STAGE_MARK, str(folder.resolve()))
        ended = processes.end(*mark, grace, waiting, lambda: stop.at_once)
        if apart:
            try:
                nodes.end_step(folder)
            except OrchestratorError as error:  # what was trained is trained
                say(f"nobody can say whether it runs on other nodes, too: {error}")
        return ended

    def run(
        self,
        commands: Sequence[Command],
        folder: Path,
        *,
        environment: Environment,
        gpus: Sequence[str] = (),
        extensions: Path | None = None,
        report: Callable[[], None] = lambda: None,
        say: Say = ignore,
        stop: Stop = NEVER,
        timeout_seconds: float | None = None,
        grace: float = processes.GRACE,
    ) -> None:
        """Run commands side by side in a stage's folder until all have ended; their output is appended to ``log.txt``.

        Args:
            commands: what to run; their files are written first.
            folder: the working directory.
            environment: whose programs these are.
            gpus: the GPUs that the processes may see, as many for each; none change nothing.
            extensions: where torch compiles extensions.
            report: called about twice a second, to show progress.
            say: told when the end of processes is waited for, and which addresses get keys.
            stop: asked to, it ends the processes.
            timeout_seconds: after which the processes are ended.
            grace: seconds that a process which is ended has to finish what it writes.

        Raises:
            StageError: one could not be started, took too long or ended with another status than 0, and the others
                were ended; or the watchdog could not be started.
            Interrupted: it was asked to stop.
        """
        self._watch()
        for command in commands:
            for name, text in command.files.items():
                atomic_write(folder / name, text)
        log = folder / LOG
        apart = any(command.nodes > 1 for command in commands)
        if log.exists():
            self.end_leftovers(folder, grace, say, stop, apart=apart)
        share = len(gpus) // len(commands)
        started = time.monotonic()
        with log.open("ab") as output:
            begin = output.tell()
            running: list[subprocess.Popen[bytes]] = []
            try:
                for number, command in enumerate(commands):
                    if command.nodes > 1:
                        command = nodes.spread(command, folder, gpus, extensions, grace)
                    env = self.variables(folder, command, environment.bin)
                    self._tell_addresses(command, env, say)
                    if gpus:
                        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[number * share : (number + 1) * share])
                    if extensions:
                        env["TORCH_EXTENSIONS_DIR"] = str(extensions.resolve())
                    running.append(_start(command, folder, env, output, environment.name))
                reported = 0.0
                code = _wait(running, POLL_SECONDS)
                while code is None:
                    stop.check()
                    now = time.monotonic()
                    if now - reported >= REPORT_SECONDS:
                        reported = now
                        report()
                    if timeout_seconds and now - started > timeout_seconds:
                        limit = f"took longer than {timeout_seconds / 3600:g} hours"
                        raise StageError(_failure(log, begin, None, environment.name, limit))
                    code = _wait(running, POLL_SECONDS)
            finally:
                # also after success: a launcher may have left a worker behind
                self.end_leftovers(folder, grace, say, stop, apart=apart)
                for process in running:
                    # a signal that came within subprocess's own wait leaves its lock taken for ever
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(WAIT_SECONDS)
        if code != 0:
            if code in TERMINATED:  # Slurm signals all of a job's processes at once: ours may hear of it a moment later
                time.sleep(POLL_SECONDS)
            stop.check()
            how = f"exit status {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
            raise StageError(_failure(log, begin, code, environment.name, f"ended with {how}"), code)


def _start(
    command: Command, folder: Path, env: dict[str, str], output: BinaryIO, toolkit: str
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        what = (
            "see what `ulimit -a` says of memory, processes and open files"
            if error.errno in SCARCE
            else f"build the toolkit's environment again: python -m orchestrator env build --force {toolkit}"
        )
        raise StageError(f"cannot start {command.argv[0]}: {error.strerror}\n    {what}") from None


def _wait(running: Sequence[subprocess.Popen[bytes]], seconds: float) -> int | None:
    """The first status other than 0, or 0 when all have ended well; ``None`` after so many seconds."""
    left = [process for process in running if process.poll() is None]
    if left:
        with contextlib.suppress(subprocess.TimeoutExpired):
            left[0].wait(seconds)
    codes = [process.poll() for process in running]
    failed = next((code for code in codes if code), None)
    return failed if failed is not None else None if None in codes else 0


def _failure(log: Path, begin: int, code: int | None, toolkit: str, what: str) -> str:
    text = last_lines(log, SHOWN_LINES, begin)
    # the real error of a child stands above the launcher's own traceback, so look further up
    searched = last_lines(log, SEARCHED_LINES, begin)
    hint = diagnose.advice(searched, code, toolkit)
    shown = [f"    | {harmless(masked(line))}" for line in text.splitlines()]
    above = [f"    | {harmless(masked(line))}" for line in diagnose.errors(searched, text)]
    parts = [f"{what}; the end of its log:", *shown, *(["    and above that:", *above] if above else [])]
    parts.append(f"    whole log: {log}")
    return "\n".join(parts + ([f"    what to do: {hint}"] if hint else []))
