"""How jobs are handed to Slurm: the section ``slurm`` of a recipe, and all that a site file holds.

Of no key and no digest: where and how long a job may run changes nothing that it computes.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from orchestrator.checked_yaml.section import Section, expand_home, refuse
from orchestrator.errors import short

Preparation = Literal["environments", "videos", "weights"]
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
# what sbatch's own reading of `#SBATCH` lines, which is no shell's, would take for something else
UNQUOTABLE = re.compile(r'["\\\x00-\x1f\x7f]')
_TIME = re.compile(r"(?P<days>\d+)-(?P<hours>\d+)(:(?P<minutes>\d+)(:(?P<seconds>\d+))?)?|(?P<clock>\d+(:\d+){0,2})")
_NO_LIMIT = ("unlimited", "infinite")
# of a script of ours, by what is to be said instead
OURS = {
    "array": "slurm.array_limit says how many of an array run at once",
    "job-name": "a job is called after its recipe",
    "output": "logs lie beside the run",
    "error": "logs lie beside the run",
    "open-mode": "logs are appended to",
    "chdir": "jobs run where they are submitted",
    "requeue": "jobs can always be requeued",
    "no-requeue": "jobs go on from where they were, so that requeuing them does no harm",
    "signal": "resources.stop_grace_seconds says how early a job is told to end",
    "nodes": "resources.nodes",
    "ntasks": "resources.nodes",
    "ntasks-per-node": "one task a node starts its processes itself",
    "gres": "slurm.gpu_option and slurm.gpu_type",
    "gpus": "slurm.gpu_option and slurm.gpu_type",
    "gpus-per-node": "slurm.gpu_option and slurm.gpu_type",
    "partition": "slurm.partition",
    "account": "slurm.account",
    "qos": "slurm.qos",
    "time": "slurm.time",
    "cpus-per-task": "slurm.cpus",
    "mem": "slurm.mem",
    "constraint": "slurm.constraint",
    "parsable": "it is given",
    "clusters": "jobs of another cluster are submitted, and asked for, with its SLURM_CONF",
    "test-only": "`plan --on slurm` shows the script",
    "wrap": "slurm.template is a script of your own",
    "wait": "`status --watch` waits",
    "export": "jobs inherit the environment; slurm.setup changes it",
}


class Slurm(Section):
    """What Slurm is asked for. A recipe's section wins over the site's file, key by key."""

    template: str | None = Field(None, description="a script of your own in place of ours, in Jinja")
    partition: str | None = Field(None, description="--partition")
    account: str | None = Field(None, description="--account")
    qos: str | None = Field(None, description="--qos")
    time: str | None = Field(None, description="--time: minutes, hours:minutes:seconds, days-hours")
    cpus: int | None = Field(None, ge=1, description="--cpus-per-task, for each node")
    mem: str | None = Field(None, description="--mem, for each node: 64G")
    constraint: str | None = Field(None, description="--constraint")
    gpu_option: Literal["gres", "gpus-per-node", "gpus"] = Field(
        "gres", description="how GPUs are asked for: --gres=gpu:N, --gpus-per-node=N, --gpus=N"
    )
    gpu_type: str | None = Field(None, description="kind of GPU, as the site calls it: a100")
    setup: tuple[str, ...] = Field((), description="lines of shell before the run: module load cuda")
    extra: dict[str, str | int | bool] = Field(
        default_factory=dict, description="more options of sbatch: {mem-per-gpu: 64G, exclusive: true}"
    )
    array_limit: int | None = Field(None, ge=1, description="at most so many jobs of a recipe at once")
    requeues: int = Field(5, ge=0, description="how often a job is requeued that makes no progress")
    prepare: tuple[Preparation, ...] = Field(
        ("environments", "videos", "weights"), description="what is done before submitting; a job does the rest"
    )

    @field_validator("time", "mem", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("template")
    @classmethod
    def _expanded(cls, value: str | None) -> str | None:
        return expand_home(value)

    @field_validator("partition", "account", "qos", "time", "mem", "constraint", "gpu_type")
    @classmethod
    def _one_word(cls, value: str | None) -> str | None:
        if value is not None:
            check_value(value)
        return value

    @field_validator("time")
    @classmethod
    def _is_time(cls, value: str | None) -> str | None:
        if value is not None and not _TIME.fullmatch(value) and value.lower() not in _NO_LIMIT:
            raise refuse("", f"`{short(value)}` is no time of Slurm's", "write 90 (minutes), 12:00:00 or 2-00:00:00")
        return value

    @field_validator("setup", mode="before")
    @classmethod
    def _lines(cls, value: Any) -> Any:
        # behind a validator a list is no tuple any more, though it came from YAML
        return (
            tuple(value.splitlines() if isinstance(value, str) else value) if isinstance(value, str | list) else value
        )

    @field_validator("setup")
    @classmethod
    def _single(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for line in value:
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line):
                raise refuse("", f"`{short(line)}` is more than a line", "write a list of lines")
        return value

    @field_validator("extra")
    @classmethod
    def _options(cls, value: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        for name, text in value.items():
            if not _OPTION.fullmatch(name):
                raise refuse(name, f"`{short(name)}` is no option of sbatch", "write its long name: mem-per-gpu")
            if name in OURS:
                raise refuse(name, f"`{name}` cannot be given here", OURS[name])
            check_value(str(text), name)
        # --set makes a text of one value alone
        return {name: {"true": True, "false": False}.get(str(text).lower(), text) for name, text in value.items()}


def check_value(value: str, field: str = "") -> None:
    """See that a value can stand on a `#SBATCH` line.

    Raises:
        PydanticCustomError: it cannot.
    """
    if not value.strip() or UNQUOTABLE.search(value):
        what = f"`{short(value)}`" if value.strip() else "an empty text"
        raise refuse(field, f"{what} cannot stand in a script of Slurm", "no line ends, double quotes or backslashes")


def seconds_of(time: str) -> int | None:
    """How long a time of Slurm's is; ``None`` where it is none, or without end."""
    found = _TIME.fullmatch(time)
    if not found:
        return None
    if clock := found["clock"]:
        parts = [*map(int, clock.split(":"))]
        hours, minutes, seconds = {1: (0, *parts, 0), 2: (0, *parts), 3: (*parts,)}[len(parts)]
        return hours * 3600 + minutes * 60 + seconds
    days, hours, minutes, seconds = (int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
