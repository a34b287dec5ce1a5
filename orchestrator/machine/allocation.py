"""The part of a cluster that Slurm gave to this process, as its environment tells."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_COUNTS = re.compile(r"(\d+)(?:\(x\d+\))?")  # one of "16(x2),8"


@dataclass(frozen=True)
class Allocation:
    """An allocation of Slurm's.

    Attributes:
        job: Slurm's number of it.
        nodes: how many nodes it has.
        names: of the nodes, as Slurm writes them: ``n[1-2]``.
        cpus: of each node, those of the smallest; 0 where Slurm does not say.
        node: the name of this node; empty outside of its nodes.
    """

    job: int
    nodes: int
    names: str
    cpus: int = 0
    node: str = ""


def allocation() -> Allocation | None:
    """The allocation that this process runs in; ``None`` outside of any."""
    env = os.environ
    job, nodes, names = env.get("SLURM_JOB_ID", ""), env.get("SLURM_JOB_NUM_NODES", ""), env.get("SLURM_JOB_NODELIST")
    if not job.isdecimal() or not nodes.isdecimal() or not names:
        return None
    asked = env.get("SLURM_CPUS_PER_TASK", "")
    there = [int(count) for count in _COUNTS.findall(env.get("SLURM_JOB_CPUS_PER_NODE", ""))]
    cpus = int(asked) if asked.isdecimal() else min(there, default=0)
    return Allocation(int(job), int(nodes), names, cpus, env.get("SLURMD_NODENAME", ""))
