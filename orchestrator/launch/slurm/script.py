"""The script of one sbatch call. Pure: of the same batch it is always the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import InputError, short
from orchestrator.machine.slurm_job import JOB_VARIABLE
from orchestrator.recipe.slurm import UNQUOTABLE, Slurm, seconds_of

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["JOB_VARIABLE", "Batch", "script_of"]
TEMPLATE = Path(__file__).with_name("job.sh.j2")
EARLIEST_SECONDS = 65535  # the most that Slurm takes
EARLY_SECONDS = 60  # beside the grace: for what the run writes when all its processes have ended
ONLY = "--only"
_PLAIN = re.compile(r"[\w@%+=:,./\[\]&|*()-]+", re.ASCII)


@dataclass(frozen=True)
class Batch:
    """What one call of sbatch submits: jobs of a recipe that ask for the same.

    Attributes:
        recipe: the recipe's name.
        jobs: names of the jobs, in the order of the array.
        gpus: GPUs of each node.
        nodes: nodes of each job.
        grace: seconds that a job has to end, as its recipe says.
        settings: what the site and the recipe ask for.
        folder: of the run's files for Slurm.
        cwd: where the jobs run.
        argv: a job's command, up to the job's name.
        array: whether the site has job arrays; without, ``jobs`` is one.
        checkout: whose program is run; ``None``: the one that Python knows, which is installed.
    """

    recipe: str
    jobs: tuple[str, ...]
    gpus: int
    nodes: int
    grace: float
    settings: Slurm
    folder: Path
    cwd: Path
    argv: Sequence[str]
    array: bool = True
    checkout: Path | None = None

    def id_of(self, job: str, number: str) -> str:
        """Slurm's number of a job, by that of the whole batch."""
        return f"{number}_{self.jobs.index(job)}" if self.array else number

    def log_of(self, job: str, number: str) -> Path:
        """Where a job's output goes."""
        return self.folder / f"{self.id_of(job, number)}.log"


def script_of(batch: Batch) -> str:
    """The text of a batch's script.

    A template of a site's own gets what ours gets: ``options`` (words behind ``#SBATCH``), ``jobs``, ``setup``,
    ``command`` (quoted for a shell), ``checkout``, ``variable``, ``recipe``, ``gpus``, ``nodes``; ``sh`` quotes.

    Raises:
        InputError: the template cannot be read or is wrong, or something cannot stand in a script.
    """
    path = Path(batch.settings.template) if batch.settings.template else TEMPLATE
    options = list(_options(batch))
    try:
        text = _template(path, path.stat().st_mtime_ns).render(
            options=options, jobs=batch.jobs, setup=batch.settings.setup, command=shlex.join(batch.argv),
            variable=JOB_VARIABLE, recipe=batch.recipe, gpus=batch.gpus, nodes=batch.nodes,
            checkout=str(batch.checkout or ""),
        )  # fmt: skip
    except Exception as error:  # the template is the site's program: whatever it raises is an input error
        reason = error.strerror if isinstance(error, OSError) else str(error)
        line = getattr(error, "lineno", None)
        raise InputError(f"the script's template fails: {reason}", f"{path}:{line}" if line else str(path)) from error
    if ONLY not in text:  # each of an array would do all of its jobs
        hint = f"let its command end as that of {TEMPLATE} does: exec {{{{ command }}}} {ONLY} ..."
        raise InputError("the script's template does not say which job is to be done", str(path), hint)
    return text


@lru_cache(maxsize=8)
def _template(path: Path, _changed: int) -> Template:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # a recipe's template is a stranger's: it makes a text, and nothing of this program
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, trim_blocks=True,
        lstrip_blocks=True, loader=jinja2.FileSystemLoader([path.parent, TEMPLATE.parent]),
    )  # fmt: skip
    environment.filters["sh"] = shlex.quote
    return environment.get_template(path.name)


def _options(batch: Batch) -> Iterator[str]:
    """What stands behind each ``#SBATCH``."""
    own = batch.settings
    limit = f"%{own.array_limit}" if own.array_limit else ""
    folder = str(batch.folder).replace("%", "%%")
    yield _option("job-name", batch.recipe)
    if batch.array:
        yield _option("array", f"0-{len(batch.jobs) - 1}{limit}")
    yield _option("output", f"{folder}/{'%A_%a' if batch.array else '%j'}.log")
    yield _option("chdir", str(batch.cwd))
    yield from ("--open-mode=append", "--requeue", f"--signal=B:USR1@{_early(batch)}")
    yield from (_option("nodes", batch.nodes), "--ntasks-per-node=1")
    if batch.gpus:
        kind = f"{own.gpu_type}:" if own.gpu_type else ""
        count = batch.gpus * (batch.nodes if own.gpu_option == "gpus" else 1)
        yield _option(own.gpu_option, f"{'gpu:' if own.gpu_option == 'gres' else ''}{kind}{count}")
    asked = {"cpus-per-task": own.cpus, "mem": own.mem, "time": own.time, "partition": own.partition}
    asked |= {"account": own.account, "qos": own.qos, "constraint": own.constraint}
    for name, value in (asked | own.extra).items():
        if value is True:
            yield f"--{name}"
        elif value is not None and value is not False:
            yield _option(name, value)


def _early(batch: Batch) -> int:
    """Seconds before the time limit at which a job is told to end; of a very short limit a quarter.

    Slurm looks at its jobs every half minute only, and tells them as much earlier.
    """
    early = int(batch.grace) + EARLY_SECONDS
    limit = seconds_of(batch.settings.time) if batch.settings.time else None
    return max(1, limit // 4) if limit and early > limit // 2 else min(early, EARLIEST_SECONDS)


def _option(name: str, value: str | int) -> str:
    """An option as sbatch reads it, which is not as a shell does: only double quotes hold spaces and ``#``.

    Raises:
        InputError: the value cannot be written so.
    """
    text = str(value)
    if UNQUOTABLE.search(text):
        raise InputError(
            f"`{short(text)}` cannot stand in a script of Slurm (--{name})",
            hint="line ends, double quotes and backslashes cannot: use another folder, or another name",
        )
    return f"--{name}={text}" if _PLAIN.fullmatch(text) else f'--{name}="{text}"'
