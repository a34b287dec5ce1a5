"""Slurm's own commands, each with a time limit and its errors in words. States come from squeue alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError

SECONDS = 60.0  # for Slurm to answer: a busy controller takes its time
MOST_IDS = 200  # in one command
# what says which cluster is meant; all other SLURM_* are those of the job that this process may run in
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
_OURS = re.compile(r"(SLURM|SQUEUE|SCANCEL)_.*")
# sbatch obeys its variables before a script; these make of it what is asked for nowhere
_UNWANTED = ("SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SBATCH_NO_REQUEUE", "SBATCH_WAIT")
_VARIABLES = {"array": "ARRAY_INX", "mem": "MEM_PER_NODE", "time": "TIMELIMIT"}  # called otherwise than their option
_FIELDS = "%i|%T|%r|%S|%N|%L"
_ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
)  # fmt: skip
_UNKNOWN = "Invalid job id"
_EMPTY = ("None", "N/A", "(null)", "UNLIMITED", "INVALID", "NOT_SET")


@dataclass(frozen=True)
class Queued:
    """A job that Slurm has not done with.

    Attributes:
        state: PENDING, RUNNING, COMPLETING, ...
        reason: why it waits, in Slurm's word; empty where it says none.
        start: when it began or is expected to, in the cluster's time; empty where that is not known.
        node: where it runs; empty while it waits.
        left: of its time limit, as Slurm writes it: 1-02:03:04; empty where it has none, or waits.
    """

    state: str
    reason: str = ""
    start: str = ""
    node: str = ""
    left: str = ""


def here() -> bool:
    """Whether this machine has Slurm's commands."""
    return bool(shutil.which("sbatch") and shutil.which("squeue"))


def need() -> None:
    """See that this machine can submit.

    Raises:
        InputError: it has no sbatch, or no squeue.
    """
    for name in ("sbatch", "squeue"):
        if not shutil.which(name):
            raise _absent(name)


def submit(script: Path) -> str:
    """Hand in a script; returns Slurm's number of the job or array.

    Raises:
        InputError: Slurm refuses it, does not answer, or is not here.
    """
    said = _ask("sbatch", "--parsable", str(script), without=_overruling(script)).strip()
    # behind it the cluster's name, where there are several; some sites' sbatch says more on lines of its own
    if not (found := re.findall(r"^(\d+)(?:;\S*)?\s*$", said, re.MULTILINE)):
        last = said.rpartition("\n")[2] or "nothing"
        raise InputError(f"sbatch does not say which job it made: {last}", str(script), _hint("sbatch"))
    return str(found[-1])


def taken(script: Path) -> str:
    """Slurm's number of the job or array that waits or runs with a script; empty where there is none.

    Raises:
        InputError: Slurm does not answer, or is not here.
    """
    said = _ask("squeue", "--noheader", "--format=%F|%o", f"--user={os.getuid()}", forgotten=True)
    lines = (line.partition("|") for line in said.splitlines())
    return next((number for number, _, command in lines if command.rstrip() == str(script)), "")


def queued(ids: Iterable[str], seconds: float | None = None) -> dict[str, Queued]:
    """Which of some jobs (``123_4``) wait or run; who is not among them has ended.

    Args:
        ids: Slurm's numbers of them.
        seconds: that an answer may take; a minute, where nothing is given.

    Raises:
        InputError: Slurm does not answer, or is not here.
    """
    wanted = set(ids)
    arrays = sorted({one.partition("_")[0] for one in wanted})
    found: dict[str, Queued] = {}
    for some in _parts(arrays):
        # of one id alone that it has forgotten squeue says that it is wrong
        asked = ("--noheader", "--array", "--states=all", f"--format={_FIELDS}", f"--jobs={','.join(some)}")
        said = _ask("squeue", *asked, forgotten=True, seconds=seconds or SECONDS)
        for line in said.splitlines():
            number, state, *more = [*line.split("|"), "", "", "", "", ""][:6]
            if number in wanted and state not in _ENDED:
                reason, start, node, left = ("" if word in _EMPTY else word for word in more)
                found[number] = Queued(state, reason, start, node, "" if state == "PENDING" else left)
    return found


def cancel(ids: Iterable[str]) -> None:
    """End jobs, those that wait and those that run; of those that have ended nothing is said.

    Raises:
        InputError: Slurm refuses, does not answer, or is not here.
    """
    for some in _parts(list(ids)):
        _ask("scancel", *some, forgotten=True)


def requeue(job: str) -> None:
    """Have a job that runs wait and begin again.

    Raises:
        InputError: Slurm refuses, does not answer, or is not here.
    """
    _ask("scontrol", "requeue", job)


def shown(job: str) -> dict[str, str]:
    """What Slurm's controller says of a job, by its own names: JobState, PreemptTime, Restarts, ...

    Raises:
        InputError: Slurm does not know it, does not answer, or is not here.
    """
    return dict(re.findall(r"(?:^|\s)(\w+)=(\S*)", _ask("scontrol", "--oneliner", "show", "job", job)))


def most_of_array() -> int:
    """How many jobs an array may hold; 0: the site has no arrays.

    Raises:
        InputError: Slurm does not answer, or is not here.
    """
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    return int(found[1]) if found else 0


def hosts(names: str) -> list[str]:
    """The nodes that a list of Slurm's stands for, e.g. ``n[1-3]``, in its order.

    Raises:
        InputError: Slurm refuses, does not answer, or is not here.
    """
    return _ask("scontrol", "show", "hostnames", names).split()


def address(node: str) -> str:
    """Where Slurm itself reaches a node: a name or a number.

    Raises:
        InputError: Slurm does not know it, does not answer, or is not here.
    """
    found = re.search(r"\bNodeAddr=(\S+)", _ask("scontrol", "--oneliner", "show", "node", node))
    return found[1] if found else node


def steps(job: int, name: str) -> list[str]:
    """The steps of a job that run under a name, e.g. ``123.0``.

    Raises:
        InputError: Slurm does not answer, or is not here.
    """
    said = _ask("squeue", "--steps", f"--jobs={job}", "--noheader", "--format=%i|%j", forgotten=True)
    found = (line.split("|", 1) for line in said.splitlines() if "|" in line)
    return [number for number, called in found if called == name]


def kill(steps: Iterable[str]) -> None:
    """End steps of a job at once, on all their nodes.

    Raises:
        InputError: Slurm refuses, does not answer, or is not here.
    """
    _ask("scancel", "--signal=KILL", *steps, forgotten=True)


def cluster() -> dict[str, str]:
    """The environment variables that say which cluster is meant."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def _parts(ids: list[str]) -> Iterator[list[str]]:
    yield from (ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS))


def _overruling(script: Path) -> set[str]:
    """The variables of a user's that would win over what a script asks for."""
    options = re.findall(r"^#SBATCH --([\w-]+)", script.read_text(), re.MULTILINE)
    names = (_VARIABLES.get(name, name.upper().replace("-", "_")) for name in options)
    return {*_UNWANTED, *(f"SBATCH_{name}" for name in names)}


def _ask(*argv: str, forgotten: bool = False, without: Collection[str] = (), seconds: float = 0.0) -> str:
    """What a command of Slurm's says.

    Args:
        argv: the command.
        forgotten: it may name jobs that Slurm does not know any more.
        without: environment variables that it does not see.
        seconds: that an answer may take; 0: `SECONDS`.

    Raises:
        InputError: it fails, does not answer, or is not here.
    """
    name, seconds = argv[0], seconds or SECONDS
    seen = (key for key in os.environ if key not in without and (key in _KEPT or not _OURS.fullmatch(key)))
    env = {key: os.environ[key] for key in seen} | {"SLURM_TIME_FORMAT": "standard", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise _absent(name) from None
    except subprocess.TimeoutExpired:
        hint = "run the same command again: it finds what Slurm has taken all the same" if name == "sbatch" else None
        raise InputError(f"{name} has not answered for {seconds:.0f} s", hint=hint or _hint(name)) from None
    except OSError as error:
        raise InputError(f"{name} cannot be started: {error.strerror}") from None
    if done.returncode and not (forgotten and _UNKNOWN in done.stderr):
        said = "; ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
        raise InputError(f"{name} fails: {said or f'exit status {done.returncode}'}", hint=_hint(name))
    return done.stdout


def _absent(name: str) -> InputError:
    hint = "run this on a login node of the cluster; `plan --on slurm` shows the scripts on any machine"
    return InputError(f"there is no `{name}` on this machine: Slurm is not installed here", hint=hint)


def _hint(name: str) -> str:
    what = "see what the site asks for (partition, account, qos, time) in the recipe's `slurm:` or the site file"
    return what if name == "sbatch" else "try again in a minute; `scontrol ping` says whether Slurm's controller is up"
